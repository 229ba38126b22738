"""Training sets: labelled requests with the features that they would have been served."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import pandas as pd

from features.fields import Bool, Decimal, FieldType, Float64, Int64, String, TimestampMs
from features.service import FeatureService
from features.source import EVENT_ID, EVENT_TIME_MS
from models.errors import TrainingError

EVENT_TIMESTAMP = "event_timestamp"
LABEL = "label"

_PANDAS_TYPES: dict[type[FieldType], str] = {
    Int64: "Int64",
    TimestampMs: "Int64",
    Float64: "float64",
    Decimal: "object",
    String: "object",
    Bool: "boolean",
}


class OfflineFeatures(Protocol):
    """What a training set needs of a `feast.FeatureStore`."""

    def get_feature_service(self, name: str) -> Any:  # noqa: ANN401
        """Return the Feast feature service of that name."""

    def get_historical_features(self, entity_df: Any, features: Any) -> Any:  # noqa: ANN401
        """Start the point-in-time join."""


def request_rows(service: FeatureService, requests: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Make the entity rows of requests, as Feast wants them.

    Args:
        service: tells the request fields.
        requests: events of the request source.

    Returns:
        `event_id`, the request fields, `event_time_ms` and `event_timestamp` (the request time),
        in the order of the requests.
    """
    columns: dict[str, Any] = {EVENT_ID: [request[EVENT_ID] for request in requests]}
    for name, field_type in service.request_types.items():
        values: list[Any] = [request[name] for request in requests]
        columns[name] = pd.Series(values, dtype=_PANDAS_TYPES[field_type])
    times = pd.to_datetime(columns[EVENT_TIME_MS], unit="ms", utc=True)
    columns[EVENT_TIMESTAMP] = times.dt.as_unit("us")
    return pd.DataFrame(columns)


def request_events(service: FeatureService, rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Make the events of the request source of which `request_rows` would make these rows.

    Args:
        service: tells the request fields.
        rows: as `request_rows` makes them; a column that is left out is null, an id is empty.
    """
    n = len(rows)
    columns: dict[str, list[Any]] = {
        name: _values(rows[name]) if name in rows.columns else [None] * n
        for name in service.request_types
    }
    columns[EVENT_ID] = rows[EVENT_ID].tolist() if EVENT_ID in rows.columns else [""] * n
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def entity_rows(
    service: FeatureService,
    requests: Iterable[Mapping[str, Any]],
    outcomes: Iterable[Mapping[str, Any]],
) -> pd.DataFrame:
    """Make the entity rows of a training set; a request without an outcome is left out.

    Args:
        service: tells the request fields and the column of the label.
        requests: events of the request source.
        outcomes: events of the label's source, matched by `event_id`.

    Returns:
        As `request_rows`, and `label` (bool).
    """
    labels = {outcome[EVENT_ID]: outcome[service.label.column] for outcome in outcomes}
    labelled = [request for request in requests if labels.get(request[EVENT_ID]) is not None]
    rows = request_rows(service, labelled)
    rows[LABEL] = [labels[request[EVENT_ID]] for request in labelled]
    return rows


def training_set(
    store: OfflineFeatures, service: FeatureService, rows: pd.DataFrame
) -> pd.DataFrame:
    """Ask Feast for the features as of each request: `rows` with the service's features beside.

    Args:
        store: a `feast.FeatureStore` to which the definitions are applied.
        service: its Feast namesake is asked for.
        rows: as `entity_rows` or `request_rows` makes them.

    Returns:
        A row for each request, ordered by (event time, event id).
    """
    if rows.empty:
        msg = f"service {service.name!r}: got no requests; a training set needs some"
        raise TrainingError(msg)
    frame = point_in_time_join(store, service, rows, store.get_feature_service(service.name))
    return frame.sort_values([EVENT_TIME_MS, EVENT_ID], ignore_index=True)


def point_in_time_join(
    store: OfflineFeatures,
    service: FeatureService,
    rows: pd.DataFrame,
    features: Any,  # noqa: ANN401
) -> pd.DataFrame:
    """Ask Feast for features as of each row: `rows`, in any order, with the features beside.

    Args:
        store: a `feast.FeatureStore` to which the definitions are applied.
        service: whose requests the rows are.
        rows: join keys and `event_timestamp`.
        features: a Feast feature service, or a list of `<view>:<feature>`.

    Raises:
        TrainingError: Feast returned other rows than it was given.
    """
    job = store.get_historical_features(entity_df=rows, features=features)
    frame: pd.DataFrame = job.to_df()
    if len(frame) != len(rows):
        msg = (
            f"service {service.name!r}: Feast returned {len(frame)} rows for {len(rows)} requests; "
            "is there more than one offline row of an entity for one window end?"
        )
        raise TrainingError(msg)
    return frame


def _values(column: "pd.Series[Any]") -> list[Any]:
    return [
        None if null else value
        for null, value in zip(column.isna().tolist(), column.tolist(), strict=True)
    ]
