"""Events as producers write them, by the encoding of their source."""

import decimal
import json
from collections.abc import Callable, Mapping
from typing import Any

from features.errors import SamestreamError
from features.source import EventSource
from streaming.kafka.avro import AvroCodec
from streaming.kafka.framing import with_schema_id
from streaming.kafka.registry import SchemaRegistry
from streaming.kafka.schemas import event_schema
from streaming.kafka.topics import raw_topic

Encode = Callable[[Mapping[str, Any]], bytes]


class EncodingError(SamestreamError, ValueError):
    """An encoding that needs what is not there."""


def event_encoder(source: EventSource, registry: SchemaRegistry | None) -> Encode:
    """Return what encodes the values of an event, null for what is missing.

    It raises TypeError, ValueError or AttributeError for values that do not fit.

    Args:
        source: whose events these are.
        registry: for Confluent framing, where the schema of the source is registered now.

    Raises:
        EncodingError: Confluent framing without a registry.
        RegistryError: the registry refuses the schema.
    """
    avro = AvroCodec(event_schema(source))
    match source.encoding:
        case "avro":
            return lambda event: avro.encode_single_object(dict(event))
        case "json":
            return _as_json
    if registry is None:
        msg = f"source {source.name!r} has the encoding 'confluent', which needs a schema registry"
        raise EncodingError(msg)
    schema_id = registry.register(f"{raw_topic(source)}-value", event_schema(source))
    return lambda event: with_schema_id(schema_id, avro.encode(dict(event)))


def _as_json(event: Mapping[str, Any]) -> bytes:
    return json.dumps(event, default=_decimal_text, allow_nan=False, ensure_ascii=False).encode()


def _decimal_text(value: object) -> str:
    if isinstance(value, decimal.Decimal):
        return f"{value:f}"
    msg = f"got {value!r}; allowed are values of JSON and decimal.Decimal"
    raise TypeError(msg)
