"""Events as JSON objects: the names of the fields and their values, nothing else."""

from typing import Any

from features.json_values import JsonError, event_types, json_values, parse_json
from features.source import EVENT_TIME_MS, EventSource
from streaming.kafka.framing import UndecodableError


class JsonEvents:
    """Decodes the JSON objects of one source, see `features.json_values`."""

    def __init__(self, source: EventSource) -> None:
        self._types = event_types(source)

    def decode(self, value: bytes) -> dict[str, Any]:
        """Return the values of an event, null for those that are left out.

        Raises:
            UndecodableError: not an object of JSON with these names and types.
        """
        try:
            event = json_values(self._types, parse_json(value))
        except JsonError as error:
            raise UndecodableError(str(error)) from error
        if event[EVENT_TIME_MS] is None:
            msg = f"{EVENT_TIME_MS}: got nothing; allowed is an event time in milliseconds"
            raise UndecodableError(msg)
        return event
