"""The timeline of a replay: the events of all sources and the heartbeats between them."""

import heapq
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from features.definitions import Definitions
from features.source import EVENT_TIME_MS, EventSource
from streaming.intake.event_order import Event, in_order
from streaming.intake.heartbeats import heartbeat_instants

_HOUR_MS = 3_600_000


class Moment(NamedTuple):
    """One thing that a replay publishes; without an event it is a heartbeat."""

    time_ms: int
    source: EventSource
    event: Event | None


def timeline(
    definitions: Definitions, events: Mapping[str, Iterable[Event]], start_ms: int
) -> Iterator[Moment]:
    """Merge the events of all sources by time, with the heartbeats of every source in between.

    A heartbeat at h comes after every event before h and before every event at or after h:

        event 11:59    heartbeats 12:00    event 12:00    event 12:01    heartbeats 12:01 ...

    The first heartbeats follow those at the end of the history before `start_ms`. The last ones
    lie past the last event by its lateness and the largest slide up to an hour, so that the
    windows of the last events become complete without waiting for a day.

    Args:
        definitions: sources, and the views that give the heartbeats their rhythm.
        events: events by the name of their source, each in the order of (event time, event id).
        start_ms: where the history before the replay ended, milliseconds.

    Raises:
        EventOrderError: the events of a source are out of order.
    """
    sources = [definitions.source(name) for name in events]
    reached_ms = start_ms
    for moment in heapq.merge(
        *(_moments(source, events[source.name]) for source in sources),
        key=lambda moment: moment.time_ms,
    ):
        if moment.time_ms > reached_ms:
            yield from _heartbeats(definitions, reached_ms, moment.time_ms)
            reached_ms = moment.time_ms
        yield moment
    yield from _heartbeats(definitions, reached_ms, reached_ms + _tail_ms(definitions))


def _moments(source: EventSource, events: Iterable[Event]) -> Iterator[Moment]:
    for event in in_order(source, events):
        yield Moment(event[EVENT_TIME_MS], source, event)


def _heartbeats(definitions: Definitions, after_ms: int, until_ms: int) -> Iterator[Moment]:
    """Heartbeats of all sources in `(after_ms, until_ms]`."""

    def of_source(source: EventSource) -> Iterator[Moment]:
        slides_ms = definitions.slides_ms(source)
        for instant in heartbeat_instants(slides_ms, source.lateness_ms, after_ms, until_ms):
            yield Moment(instant, source, None)

    return heapq.merge(*map(of_source, definitions.sources), key=lambda moment: moment.time_ms)


def _tail_ms(definitions: Definitions) -> int:
    return max(
        source.lateness_ms
        + max((slide for slide in definitions.slides_ms(source) if slide <= _HOUR_MS), default=0)
        for source in definitions.sources
    )
