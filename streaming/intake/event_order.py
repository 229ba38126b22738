"""The order of history: by event time, then by event id."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from features.errors import SamestreamError
from features.source import EVENT_ID, EVENT_TIME_MS, EventSource

Event = Mapping[str, Any]


class EventOrderError(SamestreamError, ValueError):
    """Events that are not in the order of (event time, event id), or past the end given."""


def in_order(source: EventSource, events: Iterable[Event]) -> Iterator[Event]:
    """Yield the events while they are in order; one without a time or an id has no place in it.

    Raises:
        EventOrderError: an event is before its predecessor.
    """
    before: tuple[int, str] | None = None
    for event in events:
        position = (event.get(EVENT_TIME_MS), event.get(EVENT_ID))
        match position:
            case (int(time_ms), str(event_id)):
                if before is not None and (time_ms, event_id) < before:
                    msg = (
                        f"history of {source.name}: got {position} after {before}; allowed is "
                        "ascending order of (event_time_ms, event_id)"
                    )
                    raise EventOrderError(msg)
                before = (time_ms, event_id)
        yield event
