"""The stream clock: the newest instant for which the log says what every view is."""

import time
from datetime import timedelta

import pytest

from features.view import FeatureView
from features.window import SlidingWindow
from models.endpoint.clock import ClockUnknownError, StreamClock
from tests import tiny_model

MINUTE_MS = 60_000
START_MS = 1_700_000_040_000


def view(name: str, slide: timedelta) -> FeatureView:
    return FeatureView(
        name=name,
        source=tiny_model.payments,
        entity=tiny_model.card_1h.entity,
        window=SlidingWindow(size=timedelta(hours=1), slide=slide),
        aggregations=tiny_model.card_1h.aggregations[:1],
    )


ONE, FIVE = view("one", timedelta(minutes=1)), view("five", timedelta(minutes=5))


class Said:
    def __init__(self, **window_ends_ms: int | None) -> None:
        self.window_ends_ms = window_ends_ms

    def queued(self) -> dict[str, int | None]:
        return self.window_ends_ms

    def complete(self) -> dict[str, int | None]:
        return self.window_ends_ms


def clock(*, follows_wall: bool = False, **window_ends_ms: int | None) -> StreamClock:
    return StreamClock(Said(**window_ends_ms), [ONE, FIVE], follows_wall=follows_wall)


def test_at_the_clock_every_view_is_known_and_a_moment_later_one_is_not() -> None:
    subject = clock(one=START_MS, five=START_MS - 2 * MINUTE_MS)
    now_ms = subject.now_ms()
    known = {ONE: START_MS, FIVE: START_MS - 2 * MINUTE_MS}
    assert all(each.as_of(now_ms) <= until for each, until in known.items())
    assert any(each.as_of(now_ms + 1) > until for each, until in known.items())


def test_it_is_never_later_than_the_wall_clock() -> None:
    wall_ms = time.time_ns() // 1_000_000
    now_ms = clock(one=wall_ms + MINUTE_MS, five=wall_ms).now_ms()
    assert wall_ms <= now_ms <= time.time_ns() // 1_000_000


def test_it_remembers_what_it_has_reached() -> None:
    subject = clock(one=START_MS, five=START_MS)
    assert not subject.has_reached(0)
    now_ms = subject.now_ms()
    assert subject.has_reached(now_ms)
    assert not subject.has_reached(now_ms + 1)


def test_a_view_without_progress_has_no_clock() -> None:
    with pytest.raises(ClockUnknownError, match="'five'"):
        clock(one=START_MS, five=None).now_ms()


def test_without_the_store_the_wall_clock_goes_on_and_a_replay_stands_still() -> None:
    wall_ms = time.time_ns() // 1_000_000
    assert clock(follows_wall=True).without_store_ms() >= wall_ms
    replayed = clock(one=START_MS, five=START_MS)
    with pytest.raises(ClockUnknownError, match="never answered"):
        replayed.without_store_ms()
    assert replayed.now_ms() == replayed.without_store_ms()


def test_a_view_is_overdue_from_when_its_next_window_end_could_be_seen() -> None:
    lasts_ms = MINUTE_MS + tiny_model.payments.lateness_ms
    wall_ms = time.time_ns() // 1_000_000
    subject = clock(follows_wall=True, one=wall_ms - lasts_ms - 5_000, five=wall_ms)
    overdue_ms = subject.overdue_ms()
    assert 5_000 <= (overdue_ms["one"] or 0) < 10_000
    assert overdue_ms["five"] == 0
    assert clock(follows_wall=True, one=None, five=wall_ms).overdue_ms()["one"] is None
    replayed = clock(one=START_MS, five=START_MS)
    assert replayed.overdue_ms() == {"one": 0, "five": 0}
