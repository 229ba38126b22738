"""The plain evaluator against tables drawn by hand."""

import decimal
from datetime import timedelta

import pytest

from features.aggregation import (
    Aggregation,
    Count,
    CountDistinct,
    First,
    Last,
    Max,
    Mean,
    Min,
    StdDev,
    Sum,
)
from features.entity import Entity
from features.evaluator import evaluate, passes
from features.fields import Bool, Decimal, Field, Float64, Int64, String
from features.filter import Comparison, Condition, Filter, IsNull
from features.instant import from_ms
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


PURCHASES = EventSource(
    name="purchases",
    fields=(
        Field(name="card", type=String()),
        Field(name="amount", type=Decimal(precision=6, scale=2), nullable=True),
        Field(name="shop", type=String(), nullable=True),
        Field(name="online", type=Bool(), nullable=True),
        Field(name="weight", type=Float64(), nullable=True),
        Field(name="big", type=Int64(), nullable=True),
    ),
    lateness=timedelta(seconds=1),
    max_clock_skew=timedelta(milliseconds=500),
)


def purchases(*aggregations: Aggregation) -> FeatureView:
    return FeatureView(
        name="card_purchases",
        source=PURCHASES,
        entity=Entity(name="card", join_keys=("card",)),
        window=SlidingWindow(size=timedelta(seconds=20), slide=timedelta(seconds=10)),
        aggregations=aggregations,
    )


def purchase(at: float, identity: str, amount: str | None, **values: object) -> dict[str, object]:
    nulls: dict[str, object] = {"shop": None, "online": None, "weight": None, "big": None}
    return {
        "event_id": identity,
        "event_time_ms": int(at * SECOND),
        "card": "c",
        "amount": None if amount is None else decimal.Decimal(amount),
        **nulls,
        **values,
    }


# time      0         10        20        30        40
# event        3(0.10 a)  14(0.20 a)
#                5(0.40 b)
# W=10      [----------)                               3, 5
# W=20      [--------------------)                     3, 5, 14
# W=30                [--------------------)           14
# W=40                          [----------)           empty
BUYS = [
    purchase(5, "y", "0.40", shop="b", online=True, weight=2.5, big=-(2**63)),
    purchase(3, "x", "0.10", shop="a", online=False, weight=-1.0, big=2**63 - 1),
    purchase(14, "z", "0.20", shop="a"),
]
FOREIGN = Filter("in_b", Comparison("shop", "==", "b"))


@pytest.mark.parametrize(
    ("aggregation", "expected"),
    [
        (Sum("amount"), ["0.50", "0.70", "0.20", "0.00"]),
        (Mean("amount"), [0.25, 70 / 300, 0.2, None]),
        (StdDev("amount"), [900**0.5 / 200, 1400**0.5 / 300, 0.0, None]),
        (Min("amount"), ["0.10", "0.10", "0.20", None]),
        (Max("amount"), ["0.40", "0.40", "0.20", None]),
        (Max("weight"), [2.5, 2.5, None, None]),
        (Min("event_time"), [3_000, 3_000, 14_000, None]),
        (First("shop"), ["a", "a", "a", None]),
        (Last("shop"), ["b", "a", "a", None]),
        (Last("online"), [True, True, None, None]),
        (CountDistinct("shop"), [2, 2, 1, 0]),
        (Sum("big"), ["-1", "-1", "0", "0"]),
        (Sum("online"), [1, 1, 0, 0]),
        (Count(where=FOREIGN), [1, 1, 0, 0]),
        (Sum("amount", where=FOREIGN), ["0.40", "0.40", "0.00", "0.00"]),
        (Last("amount", where=FOREIGN), ["0.40", "0.40", None, None]),
        (CountDistinct("shop", where=FOREIGN), [1, 1, 0, 0]),
        (Count(where=Filter("unknown", IsNull("online"))), [0, 1, 1, 0]),
    ],
    ids=repr,
)
def test_every_aggregation(aggregation: Aggregation, expected: list[object]) -> None:
    rows = evaluate(purchases(aggregation), BUYS, 100 * SECOND)
    assert [row.window_end_ms // SECOND for row in rows] == [10, 20, 30, 40]
    values = [value for row in rows for value in row.values.values()]
    shown = [str(value) if isinstance(value, decimal.Decimal) else value for value in values]
    assert shown == expected


def test_first_and_last_break_ties_by_event_id() -> None:
    tied = [purchase(3, "b", "1"), purchase(3, "a", "2"), purchase(3, "c", None)]
    (row, _) = evaluate(purchases(First("amount"), Last("amount")), tied, 100 * SECOND)[:2]
    assert [str(value) for value in row.values.values()] == ["2", "1"]


@pytest.mark.parametrize(
    ("condition", "passed"),
    [
        # The events have online false, true and null.
        (Comparison("online", "==", True), "y"),  # noqa: FBT003
        (~Comparison("online", "==", True), "x"),  # noqa: FBT003
        (IsNull("online"), "z"),
        (~IsNull("online"), "yx"),
        (Comparison("online", "==", True) | IsNull("online"), "yz"),  # noqa: FBT003
        (Comparison("online", "==", True) | Comparison("shop", "==", "a"), "yxz"),  # noqa: FBT003
        (~(Comparison("online", "==", True) & Comparison("shop", "==", "b")), "xz"),  # noqa: FBT003
        (Comparison("online", "==", True) & Comparison("shop", "==", "a"), ""),  # noqa: FBT003
        (Comparison("amount", ">=", decimal.Decimal("0.20")), "yz"),
        (Comparison("amount", "!=", decimal.Decimal("0.2")), "yx"),
        (Comparison("event_time", "<", from_ms(5_000)), "x"),
        (Comparison("event_time", "<=", from_ms(5_000)), "yx"),
        (Comparison("shop", ">", "a"), "y"),
        (Comparison("big", "<", -(2**63) + 1), "y"),
    ],
    ids=repr,
)
def test_conditions_follow_sql(condition: Condition, passed: str) -> None:
    assert "".join(str(e["event_id"]) for e in BUYS if passes(condition, e) is True) == passed
