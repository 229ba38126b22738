"""The stream clock of a service: the newest instant for which the log says what every view is.

A view whose newest progress record is of window end W says what it is until the next window end
can be seen: at `W + slide + lateness`, exclusive. The clock is the minimum over the views, and
never later than the wall clock.
"""

import time
from collections.abc import Sequence
from typing import Protocol

from features.errors import SamestreamError
from features.view import FeatureView


class Progress(Protocol):
    """What the clock asks of an `OnlineReader`."""

    def queued(self) -> dict[str, int | None]:
        """Newest window end of each view, by name, whose progress the store has heard of."""

    def complete(self) -> dict[str, int | None]:
        """Newest window end of each view, by name, up to which every row is in the store."""


class ClockUnknownError(SamestreamError, LookupError):
    """A view has no progress yet, so no time can be told."""


def wall_clock_ms() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


class StreamClock:
    """The clock of the views of one service.

    Args:
        progress: of the views in the online store.
        views: of the service.
        follows_wall: whether the log runs by the wall clock, or replays history.
    """

    def __init__(
        self, progress: Progress, views: Sequence[FeatureView], *, follows_wall: bool
    ) -> None:
        self._progress = progress
        self._lasts_ms = {
            view.name: view.window.slide_ms + view.source.lateness_ms for view in views
        }
        self._follows_wall = follows_wall
        self._seen_ms: int | None = None

    def has_reached(self, instant_ms: int) -> bool:
        """Whether the clock is known to have reached an instant, without asking the store."""
        return self._seen_ms is not None and instant_ms <= self._seen_ms

    def now_ms(self) -> int:
        """Ask the store for the time.

        Raises:
            StoreUnavailableError: the store does not answer.
            ClockUnknownError: a view has no progress.
        """
        now_ms = wall_clock_ms()
        for view, window_end_ms in self._progress.queued().items():
            if window_end_ms is None:
                msg = f"view {view!r}: the online store has no progress of it yet"
                raise ClockUnknownError(msg)
            now_ms = min(now_ms, window_end_ms + self._lasts_ms[view] - 1)
        self._seen_ms = now_ms
        return now_ms

    def behind_wall_ms(self, now_ms: int) -> int:
        """Return how far this time of the clock is behind the wall clock; 0 in a replay."""
        return max(0, wall_clock_ms() - now_ms) if self._follows_wall else 0

    def without_store_ms(self) -> int:
        """Return the time while the store does not answer, for who scores without it.

        Raises:
            ClockUnknownError: history is replayed, and the store never answered.
        """
        if self._follows_wall:
            return wall_clock_ms()
        if self._seen_ms is None:
            msg = "the stream clock is not known, as the online store never answered"
            raise ClockUnknownError(msg)
        return self._seen_ms

    def overdue_ms(self) -> dict[str, int | None]:
        """By how much each view is behind: since when its next window end should be complete.

        A log that runs by the wall clock is compared with that, a replayed one with its own clock.

        Returns:
            Milliseconds, 0 for a view that is complete; None for one that never was.

        Raises:
            StoreUnavailableError: the store does not answer.
            ClockUnknownError: a view has no progress.
        """
        now_ms = wall_clock_ms() if self._follows_wall else self.now_ms()
        return {
            view: None
            if window_end_ms is None
            else max(0, now_ms - window_end_ms - self._lasts_ms[view])
            for view, window_end_ms in self._progress.complete().items()
        }
