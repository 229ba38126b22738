"""What the endpoint tells of its services: models, features, request fields and views."""

from typing import Any

from features.fields import Bool, Decimal, Field, FieldType, Float64, Int64, String, TimestampMs
from features.fingerprint import service_fingerprint, view_fingerprint
from features.service import FeatureService
from features.view import FeatureView
from models.columns import column_types
from models.loading import Model


def service_content(service: FeatureService, model: Model | None) -> dict[str, Any]:
    """Return everything that a caller may want to know of a service; durations in milliseconds."""
    types: dict[str, type[FieldType]] = {
        **{each.name: Float64 for each in service.on_demand},
        **column_types(service),
    }
    return {
        "service": service.name,
        "fingerprint": service_fingerprint(service),
        "model": None if model is None else _model(model),
        "features": [{"name": name, "type": types[name].word} for name in service.features],
        "request": {
            "source": service.request.name,
            "fields": [_field(field) for field in service.request.fields],
        },
        "views": [_view(view) for view in service.views],
        "store_policy": str(service.store_policy),
    }


def json_schema(type_: FieldType) -> dict[str, Any]:
    """Return the JSON schema of the values of a type that a request may have."""
    schema: dict[str, Any] = _SCHEMAS[type(type_)](type_)
    return schema


def _model(model: Model) -> dict[str, Any]:
    manifest = model.manifest
    return {
        "name": manifest.service,
        "version": model.version,
        "sha256": manifest.booster_sha256,
        "threshold": manifest.threshold,
        "trained_from_ms": manifest.trained_from_ms,
        "trained_until_ms": manifest.trained_until_ms,
    }


def _field(field: Field) -> dict[str, Any]:
    return {
        "name": field.name,
        "type": field.type.word,
        "nullable": field.nullable,
        "schema": json_schema(field.type),
    }


def _view(view: FeatureView) -> dict[str, Any]:
    return {
        "view": view.name,
        "fingerprint": view_fingerprint(view),
        "source": view.source.name,
        "join_keys": [key.name for key in view.join_keys],
        "size_ms": view.window.size_ms,
        "slide_ms": view.window.slide_ms,
        "lateness_ms": view.source.lateness_ms,
        "features": [
            {"name": feature.name, "type": feature.type.word, "nullable": feature.nullable}
            for feature in view.features
        ],
    }


def _integer(type_: Int64) -> dict[str, Any]:
    return {
        "type": "integer",
        "format": "int64",
        "minimum": type_.minimum,
        "maximum": type_.maximum,
    }


def _double(type_: Float64) -> dict[str, Any]:
    return {
        "type": "number",
        "format": "double",
        "minimum": type_.minimum,
        "maximum": type_.maximum,
    }


def _decimal(type_: Decimal) -> dict[str, Any]:
    smallest, largest = (type_.from_units(units) for units in type_.range_units)
    return {
        "type": ["string", "number"],
        "description": (
            f"{smallest} to {largest}, at most {type_.scale} digits after the point; a text such "
            'as "12.50" is exact in every client'
        ),
    }


def _text(type_: String) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string", "maxLength": type_.max_length}
    return schema if type_.allowed is None else {**schema, "enum": list(type_.allowed)}


def _bool(type_: Bool) -> dict[str, Any]:
    del type_
    return {"type": "boolean"}


def _timestamp(type_: TimestampMs) -> dict[str, Any]:
    del type_
    return {"type": "integer", "format": "int64", "description": "milliseconds since the epoch"}


_SCHEMAS: dict[type[FieldType], Any] = {
    Int64: _integer,
    Float64: _double,
    Decimal: _decimal,
    String: _text,
    Bool: _bool,
    TimestampMs: _timestamp,
}
