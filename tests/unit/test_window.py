"""Windows are half-open, and an event is in those between its entry and its leaving.

0         10         20         30         40
|----------|----------|----------|----------|
      event 10 ^ enters at 20, leaves at 40
"""

from datetime import timedelta

import pytest

from features.window import SlidingWindow

WINDOW = SlidingWindow(size=timedelta(milliseconds=20), slide=timedelta(milliseconds=10))


@pytest.mark.parametrize(
    ("end_ms", "inside"), [(0, False), (10, False), (20, True), (30, True), (40, False)]
)
def test_the_start_is_inside_and_the_end_is_not(end_ms: int, inside: bool) -> None:  # noqa: FBT001
    assert WINDOW.contains(end_ms, 10) is inside


@pytest.mark.parametrize("event_time_ms", [0, 1, 9, 10, 19, 20])
def test_an_event_is_in_the_windows_from_its_entry_to_its_leaving(event_time_ms: int) -> None:
    entered = WINDOW.first_end_after(event_time_ms)
    ends = [end_ms for end_ms in range(0, 100, 10) if WINDOW.contains(end_ms, event_time_ms)]
    assert ends == list(range(entered, entered + WINDOW.size_ms, WINDOW.slide_ms))
