"""From the bytes of a raw record to an event."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from features.fields import Decimal, TimestampMs
from features.source import EVENT_TIME_MS, EventSource
from streaming.intake.codec import CanonicalEvent, EventCodec
from streaming.intake.json_events import JsonEvents
from streaming.kafka.avro import AvroCodec, schema_fingerprint
from streaming.kafka.framing import (
    SINGLE_OBJECT_HEADER_BYTES,
    UndecodableError,
    single_object_header,
    split_schema_id,
    split_single_object,
)
from streaming.kafka.resolution import Decode, IncompatibleSchemaError, Resolver
from streaming.kafka.schemas import Schema, event_schema

# Values, and the canonical bare Avro that they were decoded from, if that is what they came in.
_Decoded = tuple[dict[str, Any], bytes | None]


class TooLargeError(UndecodableError):
    """A raw record with more bytes than its source allows."""

    reason = "too_large"


class UnknownSchemaError(UndecodableError):
    """A raw record that names a schema which nobody knows."""

    reason = "unknown_schema"


class UnreadableSchemaError(UndecodableError):
    """A raw record of a schema that the source cannot read."""

    reason = "incompatible_schema"


class WriterSchemas(Protocol):
    """A schema registry."""

    def schema(self, schema_id: int) -> Any | None:  # noqa: ANN401 - JSON
        """Return the Avro schema of an id as JSON, None if there is none."""


class RawEvents:
    """Decodes and validates the raw records of one source, by its encoding.

    Args:
        source: whose events these are.
        versions: schemas of former versions of the source, for Avro single-object encoding.
        registry: knows the schemas of the records, for Confluent framing.
    """

    def __init__(
        self,
        source: EventSource,
        *,
        versions: Sequence[Schema] = (),
        registry: WriterSchemas | None = None,
    ) -> None:
        self._longest = source.max_event_bytes
        self._codec = EventCodec(source)
        self._schema = event_schema(source)
        self._resolver = source_resolver(source)
        # A decimal may be written with more bytes than it needs, so its record is written anew.
        has_decimals = any(isinstance(field.type, Decimal) for field in source.fields)
        self._canonical = None if has_decimals else AvroCodec(self._schema)
        self._registry = registry
        self._by_id: dict[int, Decode | UndecodableError] = {}
        self._json = JsonEvents(source)
        self._own_header = single_object_header(schema_fingerprint(self._schema))
        self._by_header = self._decoders(versions)
        self._decode = {
            "avro": self._from_single_object,
            "confluent": self._from_confluent,
            "json": self._from_json,
        }[source.encoding]

    def event(self, value: bytes | None) -> CanonicalEvent:
        """Return the valid event of the value of a raw record.

        Raises:
            UndecodableError: not the source's encoding of a record that it can read.
            InvalidEventError: a value that the source does not allow.
        """
        return self._codec.valid(*self._decoded(value))

    def values(self, value: bytes | None) -> dict[str, Any]:
        """Return what the value of a raw record says, whether the source allows it or not.

        Raises:
            UndecodableError: see `event`.
        """
        return self._decoded(value)[0]

    def _decoded(self, value: bytes | None) -> _Decoded:
        if value is None:
            msg = "got a null value"
            raise UndecodableError(msg)
        if len(value) > self._longest:
            msg = f"got {len(value)} bytes; allowed are at most {self._longest}"
            raise TooLargeError(msg)
        return self._decode(value)

    def _decoders(self, versions: Sequence[Schema]) -> Mapping[bytes, Decode]:
        """Return a decoder for each schema by the header of its single objects.

        Raises:
            IncompatibleSchemaError: a former version cannot be read any more.
        """
        known = [*versions, self._schema]
        return {
            single_object_header(schema_fingerprint(schema)): self._resolver.decoder(schema)
            for schema in known
        }

    def _from_single_object(self, value: bytes) -> _Decoded:
        if self._canonical is not None and value.startswith(self._own_header):
            bare = value[SINGLE_OBJECT_HEADER_BYTES:]
            return self._canonical.decode(bare), bare
        header, bare = split_single_object(value)
        decode = self._by_header.get(header)
        if decode is None:
            known = ", ".join(each.hex() for each in self._by_header)
            msg = f"got the header {header.hex()}; allowed are those of known schemas: {known}"
            raise UnknownSchemaError(msg)
        return decode(bare), None

    def _from_confluent(self, value: bytes) -> _Decoded:
        schema_id, bare = split_schema_id(value)
        decode = self._by_id.get(schema_id) or self._found(schema_id)
        if isinstance(decode, UndecodableError):
            raise decode
        return decode(bare), None

    def _found(self, schema_id: int) -> Decode | UndecodableError:
        """Look a schema up; what the registry has once, it has for ever."""
        schema = self._registry.schema(schema_id) if self._registry else None
        if schema is None:
            return UnknownSchemaError(f"got schema id {schema_id}; the registry does not have it")
        try:
            decode: Decode | UndecodableError = self._resolver.decoder(schema)
        except IncompatibleSchemaError as error:
            decode = UnreadableSchemaError(f"schema id {schema_id}: {error}")
        self._by_id[schema_id] = decode
        return decode

    def _from_json(self, value: bytes) -> _Decoded:
        return self._json.decode(value), None


def source_resolver(source: EventSource) -> Resolver:
    """Return what reads records of other schemas as events of a source."""
    instants = (field.name for field in source.fields if isinstance(field.type, TimestampMs))
    return Resolver(event_schema(source), frozenset({EVENT_TIME_MS, *instants}))
