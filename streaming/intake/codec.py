"""From the values of an event to the bytes of the validated log, and back."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from features.source import EVENT_ID, EVENT_TIME_MS, EventSource
from features.validation import EventValidator
from streaming.kafka.avro import AvroCodec
from streaming.kafka.framing import UndecodableError
from streaming.kafka.schemas import event_schema


class CanonicalEvent(NamedTuple):
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
    """Validates and encodes the events of one source."""

    def __init__(self, source: EventSource) -> None:
        self._avro = AvroCodec(event_schema(source))
        self._validator = EventValidator(source)
        self._nulls = dict.fromkeys(
            (EVENT_ID, EVENT_TIME_MS, *(field.name for field in source.fields))
        )

    def valid(self, event: dict[str, Any], content: bytes | None = None) -> CanonicalEvent:
        """Return the event of decoded values, null for what is missing.

        Args:
            event: the values; a zero with a sign loses it, in place.
            content: the bare Avro of the canonical schema that they were decoded from, if any.

        Raises:
            InvalidEventError: a value that the source does not allow.
        """
        self._validator.check(event)
        if self._validator.positive_zeros(event) or content is None:
            content = self._avro.encode(event)
        return CanonicalEvent(event[EVENT_ID], event[EVENT_TIME_MS], content)

    def from_values(self, values: Mapping[str, Any]) -> CanonicalEvent:
        """Return the event of values as a producer knows them.

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
        return self.valid(event, content)

    def from_log(self, content: bytes) -> CanonicalEvent:
        """Return the event of a record of the validated log."""
        event = self._avro.decode(content)
        return CanonicalEvent(event[EVENT_ID], event[EVENT_TIME_MS], content)

    def heartbeat(self, event_time_ms: int) -> CanonicalEvent:
        """Return the heartbeat of an instant."""
        content = self._avro.encode({EVENT_TIME_MS: event_time_ms})
        return CanonicalEvent(event_id=None, event_time_ms=event_time_ms, content=content)
