"""Sliding windows: half-open, aligned to the epoch."""

from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property

from features.errors import DefinitionError
from features.instant import duration_ms

# Flink's intervals hold three digits of days.
_LIMIT = timedelta(days=1_000)


@dataclass(frozen=True, kw_only=True)
class SlidingWindow:
    """Windows `[end - size, end)` whose ends are the multiples of `slide` since the epoch.

    A tumbling window has `size == slide`.

        slide        |---|
        size         |-----------|
        event x      ^ is in the windows that end after x and at or before x + size
    """

    size: timedelta
    slide: timedelta

    def __post_init__(self) -> None:
        if self.slide_ms < 1 or self.size_ms < 1:
            msg = f"window: got size {self.size} and slide {self.slide}; both must be at least 1 ms"
            raise DefinitionError(msg)
        if self.size >= _LIMIT:
            msg = f"window: got size {self.size}; allowed is less than {_LIMIT.days} days"
            raise DefinitionError(msg)
        if self.size_ms % self.slide_ms:
            msg = (
                f"window: got size {self.size}, slide {self.slide}; the slide must divide the size"
            )
            raise DefinitionError(msg)

    @cached_property
    def size_ms(self) -> int:
        """Length of a window in milliseconds."""
        return duration_ms(self.size)

    @cached_property
    def slide_ms(self) -> int:
        """Distance between two window ends in milliseconds."""
        return duration_ms(self.slide)

    def first_end_after(self, event_time_ms: int) -> int:
        """Window end at which an event of that time enters: the first one after it."""
        return (event_time_ms // self.slide_ms + 1) * self.slide_ms

    def contains(self, end_ms: int, event_time_ms: int) -> bool:
        """Whether an event of that time is in the window that ends at `end_ms`."""
        return end_ms - self.size_ms <= event_time_ms < end_ms

    def last_end_at(self, instant_ms: int) -> int:
        """Newest window end at or before an instant."""
        return instant_ms // self.slide_ms * self.slide_ms

    def as_of(self, request_time_ms: int, lateness_ms: int) -> int:
        """Newest window end `W*(t)` that a request at that time may see."""
        return self.last_end_at(request_time_ms - lateness_ms)
