"""The bodies of calls for predictions: `{"requests": [...]}`, judged as strictly as intake does."""

import uuid
from typing import Any

from features.errors import SamestreamError
from features.json_values import (
    JsonError,
    NotJsonError,
    event_types,
    json_values,
    parse_json,
    shown,
)
from features.source import EVENT_ID, EVENT_TIME_MS, EventSource
from features.validation import EventValidator, InvalidEventError

REQUESTS = "requests"


class BodyError(SamestreamError, ValueError):
    """A body that is refused as a whole.

    Attributes:
        status: of HTTP.
        reason: one word to count by.
    """

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


class RequestBodies:
    """Reads the requests for one service."""

    def __init__(self, source: EventSource, *, max_requests: int) -> None:
        """Take the source whose events the requests are."""
        self._types = event_types(source)
        self._validator = EventValidator(source)
        self._any_time_ms = source.earliest_ms
        self._max_requests = max_requests

    def read(self, body: bytes) -> list[dict[str, Any]]:
        """Return the requests of a body, as events of the source.

        One without an event id gets a new one; without an event time it is None, to be filled in.

        Raises:
            BodyError: the first thing that is not allowed, the field named.
        """
        try:
            found = parse_json(body)
        except NotJsonError as error:
            raise BodyError(400, "not_json", str(error)) from error
        if not isinstance(found, dict) or found.keys() != {REQUESTS}:
            got = sorted(found) if isinstance(found, dict) else found
            msg = f'body: got {shown(got)}; allowed is {{"{REQUESTS}": [...]}} and nothing else'
            raise BodyError(422, "invalid", msg)
        asked = found[REQUESTS]
        if not isinstance(asked, list) or not asked:
            msg = f"{REQUESTS}: got {shown(asked)}; allowed is a list of at least one request"
            raise BodyError(422, "invalid", msg)
        if len(asked) > self._max_requests:
            msg = f"{REQUESTS}: got {len(asked)}; allowed are at most {self._max_requests}"
            raise BodyError(413, "too_large", msg)
        return [self._event(number, request) for number, request in enumerate(asked)]

    def _event(self, number: int, request: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
        try:
            event = json_values(self._types, request)
            if event[EVENT_ID] is None:
                event[EVENT_ID] = str(uuid.uuid4())
            is_timed = event[EVENT_TIME_MS] is not None
            if not is_timed:
                event[EVENT_TIME_MS] = self._any_time_ms
            self._validator.check(event)
        except (JsonError, InvalidEventError) as error:
            msg = f"{REQUESTS}[{number}].{error}"
            raise BodyError(422, "invalid", msg) from error
        self._validator.positive_zeros(event)
        if not is_timed:
            event[EVENT_TIME_MS] = None
        return event
