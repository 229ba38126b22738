"""Definitions in words."""

import decimal
from datetime import UTC, datetime, timedelta

import pytest

from features.aggregation import Aggregation, Count, CountDistinct, Mean
from features.fields import Decimal, Field, FieldType, Float64, Int64, String
from features.filter import And, Comparison, Condition, IsNull, Not, Or
from features.wording import (
    aggregation_text,
    condition_text,
    duration_text,
    field_text,
    type_text,
)

LATE = Comparison("late", "==", True)  # noqa: FBT003
EARLY = Comparison("hour", "<", 6)
GONE = IsNull("gate")


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (timedelta(0), "0 ms"),
        (timedelta(days=30), "30 d"),
        (timedelta(hours=3), "3 h"),
        (timedelta(seconds=90), "1 min 30 s"),
        (timedelta(days=1, hours=2, milliseconds=5), "1 d 2 h 5 ms"),
    ],
)
def test_durations(duration: timedelta, text: str) -> None:
    assert duration_text(duration) == text


@pytest.mark.parametrize(
    ("condition", "text"),
    [
        (LATE, "late == true"),
        (Comparison("dest", "!=", "O'Hare"), 'dest != "O\'Hare"'),
        (Comparison("price", ">=", decimal.Decimal("1.50")), "price >= 1.50"),
        (
            Comparison("event_time", "<", datetime(2024, 5, 1, 12, tzinfo=UTC)),
            "event_time < 2024-05-01T12:00:00+00:00",
        ),
        (GONE, "gate is null"),
        (~GONE, "gate is not null"),
        (Not(EARLY), "not (hour < 6)"),
        (LATE & EARLY, "late == true and hour < 6"),
        (LATE | EARLY & ~GONE, "late == true or (hour < 6 and gate is not null)"),
        ((LATE | EARLY) & GONE, "(late == true or hour < 6) and gate is null"),
        (Not(Or((LATE, And((EARLY, GONE))))), "not (late == true or (hour < 6 and gate is null))"),
    ],
)
def test_conditions(condition: Condition, text: str) -> None:
    assert condition_text(condition) == text


@pytest.mark.parametrize(
    ("aggregation", "text"),
    [
        (Count(), "count of events"),
        (Mean("delay"), "mean of delay"),
        (CountDistinct("dest"), "count_distinct of dest"),
    ],
)
def test_aggregations(aggregation: Aggregation, text: str) -> None:
    assert aggregation_text(aggregation) == text


@pytest.mark.parametrize(
    ("type_", "word", "values"),
    [
        (String(), "string", "string, nullable"),
        (Float64(), "float64", "float64, nullable"),
        (Int64(), "int64", "int64, nullable"),
        (Int64(minimum=0, maximum=9), "int64", "int64, 0 to 9, nullable"),
        (
            Decimal(precision=4, scale=2, minimum=decimal.Decimal(0)),
            "decimal(4, 2)",
            "decimal(4, 2), 0.00 to 99.99, nullable",
        ),
    ],
)
def test_types_and_fields(type_: FieldType, word: str, values: str) -> None:
    assert type_text(type_) == word
    assert field_text(Field(name="x", type=type_, nullable=True)) == values
