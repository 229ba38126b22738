"""What intake remembers, read back from the end of its own output."""

from collections.abc import Callable, Iterable

from streaming.intake.codec import CanonicalEvent

_FIRST_CHUNK = 1_000
_GROWTH = 4


def recent_events(
    read: Callable[[int, int], Iterable[CanonicalEvent]], end: int, lateness_ms: int
) -> list[CanonicalEvent]:
    """Return the end of a validated log, in order, as far back as it can matter.

    It reaches back to an event time <= newest - 2 * lateness. When that one was accepted, the
    newest was less than one lateness ahead of it, so everything before it is late by now.

    Args:
        read: gives the committed events of a range of offsets (start is inclusive, end exclusive).
        end: offset at which the log ends.
        lateness_ms: lateness of the source.
    """
    size = _FIRST_CHUNK
    while True:
        start = max(0, end - size)
        events = list(read(start, end))
        times = [event.event_time_ms for event in events]
        if start == 0 or (times and min(times) <= max(times) - 2 * lateness_ms):
            return events
        size *= _GROWTH
