"""Heartbeats by the wall clock, for one partition."""

from collections.abc import Callable, Collection
from itertools import islice
from typing import NamedTuple

from streaming.intake.gate import PartitionState
from streaming.intake.heartbeats import heartbeat_instants

# A long outage is caught up in several transactions.
_AT_ONCE = 1_000


class _Promise(NamedTuple):
    """Heartbeats up to a time, once the raw partition is processed up to an offset."""

    until_ms: int
    raw_end: int


class WallClockHeartbeats:
    """Says which heartbeats a partition is owed.

    The clock is read first, then the end of the raw partition: every event that could be late by a
    heartbeat at that time lies below that end, and is processed before the heartbeat is written.

    Args:
        slides_ms: slides of the views over the source.
        lateness_ms: lateness of the source.
        now_ms: reads the wall clock, milliseconds.
        raw_end: reads the high watermark of the raw partition.
    """

    def __init__(
        self,
        *,
        slides_ms: Collection[int],
        lateness_ms: int,
        now_ms: Callable[[], int],
        raw_end: Callable[[], int],
    ) -> None:
        self._slides_ms = slides_ms
        self._lateness_ms = lateness_ms
        self._now_ms = now_ms
        self._raw_end = raw_end
        self._born_ms = now_ms()
        self._promise: _Promise | None = None

    def due(self, state: PartitionState, position: int) -> list[int]:
        """Return the event times to write now, ascending; every record below `position` is done.

        The first one follows the newest heartbeat, or the newest one that would be late; on an
        empty log it follows the start of this process.
        """
        after_ms = self._after_ms(state)
        if self._promise is None or not self._next(after_ms, self._promise.until_ms):
            now_ms = self._now_ms()
            if not self._next(after_ms, now_ms):
                return []
            self._promise = _Promise(now_ms, self._raw_end())
        if position < self._promise.raw_end:
            return []
        return self._next(after_ms, self._promise.until_ms, _AT_ONCE)

    def _after_ms(self, state: PartitionState) -> int:
        known = [ms for ms in (state.heartbeat_ms, state.horizon_ms) if ms is not None]
        return max(known, default=self._born_ms)

    def _next(self, after_ms: int, until_ms: int, limit: int = 1) -> list[int]:
        instants = heartbeat_instants(self._slides_ms, self._lateness_ms, after_ms, until_ms)
        return list(islice(instants, limit))
