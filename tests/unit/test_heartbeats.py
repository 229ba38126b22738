"""When heartbeats are due, and where they lie among the events of a replay."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.aggregation import Count
from features.definitions import Definitions
from features.entity import Entity
from features.fields import Field, String
from features.source import EventSource
from features.view import FeatureView
from features.window import SlidingWindow
from streaming.intake.event_order import EventOrderError
from streaming.intake.heartbeats import closing_heartbeats, heartbeat_instants
from streaming.intake.timeline import timeline

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
SLIDES = (5 * MINUTE, 15 * MINUTE, DAY)


@pytest.mark.parametrize(
    ("slides", "after", "until", "expected"),
    [
        ((5,), 0, 21, [1, 6, 11, 16, 21]),
        ((5,), 1, 6, [6]),
        ((5,), 6, 6, []),
        ((5, 10), 0, 12, [1, 6, 11]),
        ((4, 6), 0, 13, [1, 5, 7, 9, 13]),
        ((), 0, 100, []),
        ((5,), -12, 0, [-9, -4]),
    ],
)
def test_instants_are_half_open_ascending_and_distinct(
    slides: tuple[int, ...], after: int, until: int, expected: list[int]
) -> None:
    assert list(heartbeat_instants(slides, 1, after, until)) == expected


@given(
    slides=st.sets(st.integers(1, 12), max_size=3),
    lateness=st.integers(1, 20),
    after=st.integers(-50, 50),
    length=st.integers(0, 60),
)
def test_instants_are_those_of_a_naive_search(
    slides: set[int], lateness: int, after: int, length: int
) -> None:
    naive = [
        instant
        for instant in range(after + 1, after + length + 1)
        if any((instant - lateness) % slide == 0 for slide in slides)
    ]
    assert list(heartbeat_instants(slides, lateness, after, after + length)) == naive


def test_closing_heartbeats_of_the_flights_views() -> None:
    end = 20 * DAY
    # W*(end) is the boundary before `end`: a request at `end` sees what was known a minute ago.
    fives = [end - 9 * MINUTE, end - 4 * MINUTE]
    quarters = [end - 29 * MINUTE, end - 14 * MINUTE]
    days = [end - 2 * DAY + MINUTE, end - DAY + MINUTE]
    assert closing_heartbeats((5 * MINUTE,), MINUTE, end) == [*fives, end]
    assert closing_heartbeats((15 * MINUTE,), MINUTE, end) == [*quarters, end]
    assert closing_heartbeats((DAY,), MINUTE, end) == [*days, end]
    assert closing_heartbeats(SLIDES, MINUTE, end) == [*days, *quarters, *fives, end]
    assert closing_heartbeats((), MINUTE, end) == [end]


@given(slide=st.integers(1, 30), lateness=st.integers(1, 30), end=st.integers(0, 300))
def test_closing_heartbeats_complete_the_view(slide: int, lateness: int, end: int) -> None:
    instants = closing_heartbeats((slide,), lateness, end)
    as_of = (end - lateness) // slide * slide
    assert instants[-1] == end
    assert end - lateness >= as_of
    assert {as_of - slide + lateness, as_of + lateness} <= set(instants)


def _definitions(*slides_ms: int) -> Definitions:
    views = tuple(
        FeatureView(
            name=f"{name}_{slide_ms}",
            source=EventSource(
                name=name,
                fields=(Field(name="key", type=String()),),
                lateness=timedelta(minutes=1),
            ),
            entity=Entity(name="key", join_keys=("key",)),
            window=SlidingWindow(
                size=timedelta(milliseconds=slide_ms), slide=timedelta(milliseconds=slide_ms)
            ),
            aggregations=(Count(),),
        )
        for name in ("left", "right")
        for slide_ms in slides_ms
    )
    return Definitions(views=views, services=())


def _event(time_ms: int, event_id: str = "a") -> dict[str, Any]:
    return {"event_id": event_id, "event_time_ms": time_ms, "key": "k"}


def _drawn(events: dict[str, list[dict[str, Any]]], start_ms: int, *slides_ms: int) -> list[str]:
    return [
        f"{moment.source.name}@{moment.time_ms // MINUTE}{'' if moment.event else '*'}"
        for moment in timeline(_definitions(*slides_ms), events, start_ms)
    ]


def test_heartbeats_lie_between_the_events_before_and_those_at_or_after() -> None:
    drawn = _drawn(
        {
            "left": [_event(0), _event(5 * MINUTE), _event(6 * MINUTE)],
            "right": [_event(7 * MINUTE)],
        },
        0,
        5 * MINUTE,
    )
    assert drawn == [
        "left@0",
        "left@1*",
        "right@1*",
        "left@5",
        "left@6*",
        "right@6*",
        "left@6",
        "right@7",
        "left@11*",
        "right@11*",
    ]


def test_the_last_series_reaches_past_the_windows_of_the_last_event_but_waits_for_no_day() -> None:
    drawn = _drawn({"left": [_event(DAY + 4 * MINUTE)], "right": []}, DAY, 5 * MINUTE, DAY)
    assert drawn == ["left@1441*", "right@1441*", "left@1444", "left@1446*", "right@1446*"]


def test_heartbeats_go_on_where_the_history_stopped_and_cross_gaps() -> None:
    drawn = _drawn({"left": [_event(3 * HOUR)], "right": []}, 0, HOUR)
    assert drawn[:6] == ["left@1*", "right@1*", "left@61*", "right@61*", "left@121*", "right@121*"]


def test_events_out_of_order_are_refused() -> None:
    with pytest.raises(EventOrderError, match="ascending order"):
        _drawn({"left": [_event(5), _event(4)], "right": []}, 0, HOUR)
    with pytest.raises(EventOrderError, match="ascending order"):
        _drawn({"left": [_event(5, "b"), _event(5, "a")], "right": []}, 0, HOUR)
