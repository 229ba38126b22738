"""From the bytes of a raw record to an event, and to the bytes of the validated log."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from features.source import EVENT_ID, EVENT_TIME_MS, EventSource
from streaming.intake.validation import EventValidator
from streaming.kafka.avro import AvroCodec, UndecodableError
from streaming.kafka.schemas import event_schema


@dataclass(frozen=True, kw_only=True, slots=True)
class CanonicalEvent:
    """A valid event, or a heartbeat, as it stands in the validated log.

    Attributes:
        event_id: None for a heartbeat.
        event_time_ms: event time, milliseconds.
        content: bare Avro of the canonical schema.
    """

    event_id: str | None
    event_time_ms: int
    content: bytes


class EventCodec:
    """Decodes and validates the events of one source."""

    def __init__(self, source: EventSource) -> None:
        self._avro = AvroCodec(event_schema(source))
        self._validator = EventValidator(source)
        self._nulls = dict.fromkeys(
            (EVENT_ID, EVENT_TIME_MS, *(field.name for field in source.fields))
        )

    def from_raw(self, value: bytes) -> CanonicalEvent:
        """Return the valid event of a raw record.

        Raises:
            UndecodableError: not the single-object encoding of the source's schema.
            InvalidEventError: a value that the source does not allow.
        """
        bare = self._avro.bare(value)
        event = self._avro.decode(bare)
        self._validator.check(event)
        if self._validator.positive_zeros(event):
            bare = self._avro.encode(event)
        return CanonicalEvent(
            event_id=event[EVENT_ID], event_time_ms=event[EVENT_TIME_MS], content=bare
        )

    def from_values(self, values: Mapping[str, Any]) -> CanonicalEvent:
        """Return the valid event that `from_raw` gives for values which a producer publishes.

        Raises:
            UndecodableError: a column that the source does not have, or a value whose type does
                not fit its schema.
            InvalidEventError: a value that the source does not allow.
        """
        if not values.keys() <= self._nulls.keys():
            msg = f"got the columns {sorted(values)}; allowed are {sorted(self._nulls)}"
            raise UndecodableError(msg)
        event: dict[str, Any] = {**self._nulls, **values}
        # Before encoding: one that Avro cannot hold is as invalid as one that is out of range.
        self._validator.check_decimals(event)
        try:
            content = self._avro.encode(event)
        except (TypeError, ValueError, AttributeError, OverflowError) as error:
            msg = f"values do not fit the schema: {error}"
            raise UndecodableError(msg) from error
        self._validator.check(event)
        if self._validator.positive_zeros(event):
            content = self._avro.encode(event)
        return CanonicalEvent(
            event_id=event[EVENT_ID], event_time_ms=event[EVENT_TIME_MS], content=content
        )

    def from_log(self, content: bytes) -> CanonicalEvent:
        """Return the event of a record of the validated log."""
        event = self._avro.decode(content)
        return CanonicalEvent(
            event_id=event[EVENT_ID], event_time_ms=event[EVENT_TIME_MS], content=content
        )

    def heartbeat(self, event_time_ms: int) -> CanonicalEvent:
        """Return the heartbeat of an instant."""
        content = self._avro.encode({EVENT_TIME_MS: event_time_ms})
        return CanonicalEvent(event_id=None, event_time_ms=event_time_ms, content=content)
