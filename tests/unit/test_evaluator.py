"""The plain evaluator against tables drawn by hand."""

from datetime import timedelta

import pytest

from features.aggregation import Count, Last, Mean, Sum
from features.entity import Entity
from features.evaluator import evaluate
from features.fields import Bool, Field, Int64, String
from features.source import EventSource
from features.view import FeatureView
from features.window import SlidingWindow

SECOND = 1000
SOURCE = EventSource(
    name="taps",
    fields=(
        Field(name="stop", type=String(), nullable=True),
        Field(name="fare", type=Int64(minimum=-1000, maximum=1000), nullable=True),
        Field(name="paid", type=Bool(), nullable=True),
    ),
    lateness=timedelta(seconds=1),
    max_clock_skew=timedelta(milliseconds=500),
)
VIEW = FeatureView(
    name="stop_taps",
    source=SOURCE,
    entity=Entity(name="stop", join_keys=("stop",)),
    window=SlidingWindow(size=timedelta(seconds=20), slide=timedelta(seconds=10)),
    aggregations=(Count(), Sum("fare"), Mean("fare"), Mean("paid"), Last("fare")),
)
NAMES = [feature.name for feature in VIEW.features]


def tap(
    at: float, identity: str, fare: int | None, *, stop: str | None = "a", paid: bool | None = None
) -> dict[str, object]:
    return {
        "event_id": identity,
        "event_time_ms": int(at * SECOND),
        "stop": stop,
        "fare": fare,
        "paid": paid,
    }


def rows(events: list[dict[str, object]], until: int = 100) -> list[tuple[object, ...]]:
    return [
        (*row.keys, row.window_end_ms // SECOND, *(row.values[name] for name in NAMES))
        for row in evaluate(VIEW, events, until * SECOND)
    ]


# time      0         10        20        30        40
# event        3(7)       12(-2)
# W=10      [----------)                     sees 3
# W=20      [--------------------)           sees 3, 12
# W=30                [--------------------) sees 12
# W=40                          [----------) empty
def test_a_row_at_every_window_end_where_an_event_enters_or_leaves() -> None:
    assert rows([tap(3, "x", 7, paid=True), tap(12, "y", -2, paid=False)]) == [
        ("a", 10, 1, 7, 7.0, 1.0, 7),
        ("a", 20, 2, 5, 2.5, 0.5, -2),
        ("a", 30, 1, -2, -2.0, 0.0, -2),
        ("a", 40, 0, 0, None, None, None),
    ]


@pytest.mark.parametrize(
    ("at", "first", "empty"),
    [(0, 10, 30), (9.999, 10, 30), (10, 20, 40), (10.001, 20, 40)],
)
def test_windows_are_half_open(at: float, first: int, empty: int) -> None:
    ends = [row[1] for row in rows([tap(at, "x", 1)])]
    assert ends == [first, empty]


def test_nulls_take_no_part_except_in_count() -> None:
    assert rows([tap(1, "x", None), tap(2, "y", 4)], until=10) == [("a", 10, 2, 4, 4.0, None, 4)]


def test_ties_of_last_break_by_event_id_not_by_arrival() -> None:
    assert rows([tap(1, "z", 5), tap(1, "y", 6)], until=10)[0][-1] == 5


def test_an_event_without_its_key_is_about_no_entity() -> None:
    assert rows([tap(1, "x", 1, stop=None)]) == []


def test_nothing_is_computed_past_the_horizon() -> None:
    assert [row[1] for row in rows([tap(1, "x", 1)], until=29)] == [10]
