"""Avro schemas, derived from the definitions in one place."""

from typing import Any

from features.fields import Bool, Decimal, FieldType, Float64, Int64, String, TimestampMs
from features.source import EVENT_ID, EVENT_TIME_MS, EventSource
from features.view import FeatureView

NAMESPACE = "samestream"

Schema = dict[str, Any]

_SIMPLE_TYPES: dict[type[FieldType], str] = {
    Int64: "long",
    Float64: "double",
    String: "string",
    Bool: "boolean",
    TimestampMs: "long",
}


def avro_type(field_type: FieldType) -> str | Schema:
    """Avro type of the values of a column; decimals are as Flink's Avro format has them."""
    if isinstance(field_type, Decimal):
        return {
            "type": "bytes",
            "logicalType": "decimal",
            "precision": field_type.precision,
            "scale": field_type.scale,
        }
    return _SIMPLE_TYPES[type(field_type)]


def event_schema(source: EventSource) -> Schema:
    """Canonical schema of a source; a heartbeat is a record with only `event_time_ms`."""
    return _record(
        source.name,
        [
            _nullable(EVENT_ID, "string"),
            {"name": EVENT_TIME_MS, "type": "long"},
            *(
                _nullable(field.name, avro_type(field.type))
                | ({"aliases": list(field.aliases)} if field.aliases else {})
                for field in source.fields
            ),
        ],
    )


def feature_row_schema(view: FeatureView) -> Schema:
    """Schema of the feature rows of a view, as Flink writes them."""
    return _record(
        f"{view.name}_row",
        [
            *({"name": key.name, "type": avro_type(key.type)} for key in view.join_keys),
            {"name": "window_end_ms", "type": "long"},
            *(
                _nullable(feature.name, avro_type(feature.type))
                if feature.nullable
                else {"name": feature.name, "type": avro_type(feature.type)}
                for feature in view.features
            ),
        ],
    )


def progress_schema() -> Schema:
    """Schema of progress: how many rows with a key a view has at a window end."""
    return _record(
        "progress",
        [
            {"name": "view", "type": "string"},
            {"name": "fingerprint", "type": "string"},
            {"name": "window_end_ms", "type": "long"},
            {"name": "row_count", "type": "long"},
        ],
    )


def prediction_schema() -> Schema:
    """Schema of predictions, receipts included.

    `vector` is in the order of the service's features, NaN for null, categories as codes of the
    model's vocabulary. `views` tells for each view the newest window end that the request could
    see (`as_of_ms`), the window end of the row that was used (null without one) and the mark.
    `request` is the canonical encoding of a request that is not in the validated log; its topic is
    then empty, its partition and offset are -1.
    """
    receipt = {
        "type": "record",
        "name": "view_receipt",
        "fields": [
            {"name": "view", "type": "string"},
            {"name": "fingerprint", "type": "string"},
            {"name": "as_of_ms", "type": "long"},
            _nullable("window_end_ms", "long"),
            _nullable("mark", "string"),
        ],
    }
    return _record(
        "prediction",
        [
            {"name": "event_id", "type": "string"},
            {"name": "event_time_ms", "type": "long"},
            {"name": "service", "type": "string"},
            {"name": "fingerprint", "type": "string"},
            {"name": "keys", "type": {"type": "map", "values": ["null", "string", "long"]}},
            {"name": "score", "type": "float"},
            {"name": "decision", "type": "boolean"},
            {"name": "model_name", "type": "string"},
            {"name": "model_version", "type": "string"},
            {"name": "model_sha256", "type": "string"},
            {"name": "vector", "type": {"type": "array", "items": "double"}},
            {"name": "views", "type": {"type": "array", "items": receipt}},
            {"name": "source_topic", "type": "string"},
            {"name": "source_partition", "type": "int"},
            {"name": "source_offset", "type": "long"},
            {"name": "scored_at_ms", "type": "long"},
            _nullable("request", "bytes"),
        ],
    )


def _record(name: str, fields: list[Schema]) -> Schema:
    return {"type": "record", "name": name, "namespace": NAMESPACE, "fields": fields}


def _nullable(name: str, type_: str | Schema) -> Schema:
    return {"name": name, "type": ["null", type_], "default": None}
