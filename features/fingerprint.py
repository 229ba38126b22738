"""Fingerprints: a short name for everything that determines the values of a definition."""

import ast
import decimal
import hashlib
import inspect
import json
import textwrap
from dataclasses import fields, is_dataclass
from datetime import datetime
from typing import Any

from features.aggregation import Aggregation
from features.fields import Decimal, FieldType
from features.instant import to_ms
from features.on_demand import OnDemandFeature
from features.service import FeatureService
from features.view import FeatureView

# Raised when the engine itself gives other values for the same definition.
_ENGINE = 2
_DIGITS = 12


def view_fingerprint(view: FeatureView) -> str:
    """Twelve hexadecimal digits over everything that determines the rows of a view."""
    return _digest(
        {
            "engine": _ENGINE,
            **view_content(view),
            "aggregations": [
                (
                    aggregation_content(aggregation),
                    [type_content(view.source.column(name).type) for name in aggregation.columns()],
                    type_content(feature.type),
                )
                for feature, aggregation in zip(view.features, view.aggregations, strict=True)
            ],
        }
    )


def service_fingerprint(service: FeatureService) -> str:
    """Twelve hexadecimal digits over everything that determines the vectors of a service."""
    return _digest(
        {
            "engine": _ENGINE,
            "request": service.request.name,
            "views": {view.name: view_fingerprint(view) for view in service.views},
            "on_demand": [
                (feature.name, feature.inputs, on_demand_code(feature))
                for feature in service.on_demand
            ],
            "features": service.features,
        }
    )


def view_content(view: FeatureView) -> dict[str, Any]:
    """Return everything that determines the rows of a view but for its aggregations."""
    return {
        "source": view.source.name,
        "lateness_ms": view.source.lateness_ms,
        "join_keys": [(key.name, key.type.word) for key in view.join_keys],
        "size_ms": view.window.size_ms,
        "slide_ms": view.window.slide_ms,
    }


def aggregation_content(aggregation: Aggregation) -> Any:  # noqa: ANN401 - JSON
    """Return everything that determines an aggregation but for the types of its columns."""
    return [aggregation.word, *content_of(aggregation)]


def type_content(type_: FieldType) -> Any:  # noqa: ANN401 - JSON
    """Return a type without its range, which decides about events and not about values."""
    scale = (type_.precision, type_.scale) if isinstance(type_, Decimal) else ()
    return [type_.word, *scale]


def content_of(part: Any) -> Any:  # noqa: ANN401
    """Return a part of a definition as JSON, names of classes and types of literals included."""
    match part:
        case datetime():
            return ["instant", to_ms(part)]
        case decimal.Decimal():
            return ["decimal", str(part)]
        case tuple():
            return [content_of(each) for each in part]
    if is_dataclass(part):
        values = ((item.name, content_of(getattr(part, item.name))) for item in fields(part))
        return [type(part).__name__, *values]
    return part


def on_demand_code(feature: OnDemandFeature) -> str:
    """Source text of the function without comments and layout."""
    source = textwrap.dedent(inspect.getsource(feature.function))
    return ast.unparse(ast.parse(source))


def _digest(content: object) -> str:
    text = json.dumps(content, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]
