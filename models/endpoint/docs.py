"""The OpenAPI of calls for predictions, with examples, from the definitions."""

import decimal
from typing import Any

from features.fields import Bool, Decimal, Field, FieldType, Float64, Int64, String, TimestampMs
from features.service import FeatureService
from features.source import EVENT_ID, EVENT_ID_ALLOWED, EVENT_TIME_MS
from models.endpoint.bodies import REQUESTS
from models.endpoint.metadata import json_schema
from models.endpoint.serving import PRECOMPUTED, PREDICTIONS, SCORED_AT_MS
from models.prediction import Mark

_EXAMPLE_TIME_MS = 1_700_000_000_000

_PROBLEMS = {
    400: "The body is not JSON.",
    401: "No API key, or one that is not known.",
    408: "The body did not arrive in time.",
    413: "The body has too many bytes or requests.",
    415: "The content is not application/json.",
    422: "A value is not allowed, or a time is later than the stream clock; the field is named.",
    503: "The system cannot answer now; Retry-After says when to ask again.",
    504: "Scoring took too long; the predictions may have been made.",
}


def operation(service: FeatureService) -> dict[str, Any]:
    """Return what stands in OpenAPI for calls to a service."""
    problem = {"application/json": {"schema": _object({"reason": _TEXT, "detail": _TEXT})}}
    return {
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": _object({REQUESTS: _list(_request(service))}),
                    "example": {REQUESTS: [example_request(service)]},
                }
            },
        },
        "responses": {
            "200": {
                "description": "A prediction for each request, in order, each with its receipts.",
                "content": {
                    "application/json": {
                        "schema": _object({PREDICTIONS: _list(_prediction(service))})
                    }
                },
            },
            **{
                str(status): {"description": description, "content": problem}
                for status, description in _PROBLEMS.items()
            },
        },
    }


def example_request(service: FeatureService) -> dict[str, Any]:
    """Return a request that is allowed; it has no time, which means now."""
    fields = {
        field.name: _EXAMPLES[type(field.type)](field.type) for field in service.request.fields
    }
    return {EVENT_ID: "example-1", **fields}


def _request(service: FeatureService) -> dict[str, Any]:
    fields = service.request.fields
    properties = {
        EVENT_ID: {**_TEXT, "description": f"{EVENT_ID_ALLOWED}; without one it is made"},
        EVENT_TIME_MS: {
            **_NUMBER,
            "description": "time of the request, milliseconds; without one it is the stream clock",
        },
        **{field.name: _schema(field) for field in fields},
    }
    schema = _object(properties)
    return {**schema, "required": [field.name for field in fields if not field.nullable]}


def _schema(field: Field) -> dict[str, Any]:
    schema = json_schema(field.type)
    return {"anyOf": [schema, {"type": "null"}]} if field.nullable else schema


def _prediction(service: FeatureService) -> dict[str, Any]:
    receipt = _object(
        {
            "view": _TEXT,
            "fingerprint": _TEXT,
            "as_of_ms": {**_NUMBER, "description": "newest window end that the request could see"},
            "window_end_ms": {"type": ["integer", "null"], "description": "of the row used"},
            "mark": {"enum": [None, *map(str, Mark)]},
        }
    )
    vector = {
        "type": "array",
        "items": {"type": ["number", "null"]},
        "description": f"in the order {', '.join(service.features)}",
    }
    return _object(
        {
            EVENT_ID: _TEXT,
            EVENT_TIME_MS: _NUMBER,
            "service": _TEXT,
            "fingerprint": _TEXT,
            "keys": {"type": "object"},
            "score": {"type": "number"},
            "decision": {"type": "boolean"},
            "model_name": _TEXT,
            "model_version": _TEXT,
            "model_sha256": _TEXT,
            "vector": vector,
            "views": _list(receipt),
            SCORED_AT_MS: _NUMBER,
            PRECOMPUTED: _FLAG,
        }
    )


_TEXT = {"type": "string"}
_NUMBER = {"type": "integer", "format": "int64"}
_FLAG = {
    "type": "boolean",
    "description": "whether it was computed before it was asked for, as of its event_time_ms",
}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


def _integer(type_: Int64) -> int:
    return min(max(1, type_.minimum), type_.maximum)


def _double(type_: Float64) -> float:
    return min(max(1.5, type_.minimum), type_.maximum)


def _decimal(type_: Decimal) -> str:
    smallest, largest = (type_.from_units(units) for units in type_.range_units)
    return str(min(max(decimal.Decimal(1), smallest), largest))


def _text(type_: String) -> str:
    return type_.allowed[0] if type_.allowed else "text"[: type_.max_length]


def _bool(type_: Bool) -> bool:
    del type_
    return True


def _timestamp(type_: TimestampMs) -> int:
    del type_
    return _EXAMPLE_TIME_MS


_EXAMPLES: dict[type[FieldType], Any] = {
    Int64: _integer,
    Float64: _double,
    Decimal: _decimal,
    String: _text,
    Bool: _bool,
    TimestampMs: _timestamp,
}
