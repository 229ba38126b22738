"""The values of an event that was not accepted."""

from typing import Any

from features.source import EventSource
from streaming.intake.json_events import JsonEvents
from streaming.intake.raw import RawEvents
from streaming.intake.validation import InvalidEventError
from streaming.kafka.avro import AvroCodec
from streaming.kafka.framing import UndecodableError
from streaming.kafka.quarantine import Letter
from streaming.kafka.schemas import event_schema


class LetterDecoder:
    """Decodes the letters of one source, whether their values are allowed or not.

    Args:
        source: whose letters these are.
        raw: decodes and validates its raw records.
    """

    def __init__(self, source: EventSource, raw: RawEvents) -> None:
        self._raw = raw
        self._avro = AvroCodec(event_schema(source))
        self._json = JsonEvents(source) if source.encoding == "json" else None

    def event(self, letter: Letter) -> dict[str, Any] | None:
        """Return the values of the event; None if it does not decode."""
        value = letter.original.value
        try:
            try:
                return self._avro.decode(self._raw.event(value).content)
            except InvalidEventError:
                return self._unchecked(value or b"")
        except UndecodableError:
            return None

    def _unchecked(self, value: bytes) -> dict[str, Any]:
        if self._json is not None:
            return self._json.decode(value)
        return self._avro.decode(self._avro.bare(value))
