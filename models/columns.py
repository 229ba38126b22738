"""Columns: what vectors are built from, one array of shape (n,) for each name."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from features.fields import FieldType, Float64, String
from features.service import FeatureService

Columns = dict[str, Any]


def column_types(service: FeatureService) -> dict[str, type[FieldType]]:
    """Types of the columns of a service: its request fields and the features of its views."""
    fetched = {
        feature.name: type(feature.type) for view in service.views for feature in view.features
    }
    return {**service.request_types, **fetched}


def as_column(field_type: type[FieldType], values: Iterable[Any]) -> Any:  # noqa: ANN401
    """Array of one column: text as objects with None for null, the rest float64 with NaN.

    Integers beyond 53 bits and decimals become the nearest double, as in the online store. Null is
    None, NaN, NaT or `pd.NA`.
    """
    if issubclass(field_type, String):
        listed = list(values)
        column = np.empty(len(listed), dtype=object)
        column[:] = [value if isinstance(value, str) else None for value in listed]
        return column
    if isinstance(values, pd.Series):
        return values.to_numpy(dtype=np.float64, na_value=np.nan)
    return np.array([math.nan if _is_null(value) else value for value in values], dtype=np.float64)


def _is_null(value: object) -> bool:
    return value is None or value is pd.NA or value is pd.NaT


def columns_of_frame(service: FeatureService, frame: pd.DataFrame) -> Columns:
    """Columns of a training set, on-demand features included where it has them."""
    computed = {feature.name: Float64 for feature in service.on_demand}
    return {
        name: as_column(field_type, frame[name])
        for name, field_type in {**column_types(service), **computed}.items()
        if name in frame.columns
    }


def columns_of_requests(service: FeatureService, requests: Sequence[Mapping[str, Any]]) -> Columns:
    """Columns of the request fields, `event_time_ms` included, of request events."""
    return {
        name: as_column(field_type, (request[name] for request in requests))
        for name, field_type in service.request_types.items()
    }
