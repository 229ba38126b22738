"""The plain evaluator: what a feature view means, written to be obviously right, not fast."""

import math
import operator
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from features.aggregation import (
    Aggregation,
    ColumnAggregation,
    Count,
    CountDistinct,
    First,
    Last,
    Max,
    Mean,
    Min,
    StdDev,
    Sum,
    sum_type,
)
from features.fields import Decimal, FieldType
from features.filter import And, Comparison, Condition, IsNull, Not, Or
from features.instant import to_ms
from features.source import EVENT_ID, EVENT_TIME, EVENT_TIME_MS
from features.view import FeatureView

Event = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class FeatureRow:
    """The values of a view for one entity, from one window end until the next row.

    Attributes:
        keys: join key values, in the order of the view's join keys.
        window_end_ms: end of the window, exclusive, milliseconds.
        values: value of each feature by name.
    """

    keys: tuple[Any, ...]
    window_end_ms: int
    values: dict[str, Any]


def evaluate(view: FeatureView, events: Iterable[Event], until_ms: int) -> list[FeatureRow]:
    """Compute every row of a view over accepted events, up to a window end (inclusive).

    Args:
        view: the definition.
        events: mappings with `event_id`, `event_time_ms` and the fields of the source.
        until_ms: newest window end to compute, milliseconds.

    Returns:
        A row per entity and window end at which an event entered or left, ordered by window end
        and keys.
    """
    window = view.window
    by_entity: dict[tuple[Any, ...], list[Event]] = defaultdict(list)
    for event in events:
        keys = tuple(event[key.name] for key in view.join_keys)
        if None not in keys:
            by_entity[keys].append(event)
    rows = []
    for keys, own in by_entity.items():
        ends = set()
        for event in own:
            entered = window.first_end_after(event[EVENT_TIME_MS])
            ends |= {entered, entered + window.size_ms}
        for end in ends:
            if end <= until_ms:
                inside = [e for e in own if window.contains(end, e[EVENT_TIME_MS])]
                rows.append(FeatureRow(keys=keys, window_end_ms=end, values=_values(view, inside)))
    return sorted(rows, key=lambda row: (row.window_end_ms, row.keys))


def passes(condition: Condition, event: Event) -> bool | None:
    """Whether an event fulfils a condition; None where a null leaves that open, as in SQL."""
    match condition:
        case Comparison(column, word, literal):
            value = _column_value(event, column)
            compared = to_ms(literal) if isinstance(literal, datetime) else literal
            return None if value is None else _OPERATORS[word](value, compared)
        case IsNull(column):
            return _column_value(event, column) is None
        case Not(inner):
            answer = passes(inner, event)
            return None if answer is None else not answer
        case And(conditions):
            answers = [passes(each, event) for each in conditions]
            return False if False in answers else None if None in answers else True
        case Or(conditions):
            answers = [passes(each, event) for each in conditions]
            return True if True in answers else None if None in answers else False
    msg = f"condition: got {condition!r}; allowed are those of features.filter"
    raise TypeError(msg)


def takes_part(aggregation: Aggregation, event: Event) -> bool:
    """Whether an aggregation counts an event: it passes the filter, and its value is not null."""
    where = aggregation.where
    if where is not None and passes(where.condition, event) is not True:
        return False
    return all(_column_value(event, column) is not None for column in aggregation.columns())


def _values(view: FeatureView, inside: list[Event]) -> dict[str, Any]:
    return {
        feature.name: _aggregate(view, aggregation, inside)
        for feature, aggregation in zip(view.features, view.aggregations, strict=True)
    }


def _aggregate(view: FeatureView, aggregation: Aggregation, inside: list[Event]) -> Any:  # noqa: ANN401
    counted = [event for event in inside if takes_part(aggregation, event)]
    if isinstance(aggregation, Count):
        return len(counted)
    assert isinstance(aggregation, ColumnAggregation)  # noqa: S101 - narrows the type
    ordered = sorted(counted, key=lambda event: (event[EVENT_TIME_MS], event[EVENT_ID]))
    values = [_column_value(event, aggregation.column) for event in ordered]
    return _OVER_VALUES[type(aggregation)](values, view.source.column(aggregation.column).type)


def _column_value(event: Event, column: str) -> Any:  # noqa: ANN401
    return event[EVENT_TIME_MS] if column == EVENT_TIME.name else event[column]


def _units(values: list[Any], type_: FieldType) -> list[int]:
    """Values as whole numbers: of the last digit of a decimal, 1 and 0 of a bool."""
    if isinstance(type_, Decimal):
        return [type_.units(value) for value in values]
    return [int(value) for value in values]


def _units_in_one(type_: FieldType) -> int:
    return 10**type_.scale if isinstance(type_, Decimal) else 1


def _sum(values: list[Any], type_: FieldType) -> Any:  # noqa: ANN401
    total, result = sum(_units(values, type_)), sum_type(type_)
    return result.from_units(total) if isinstance(result, Decimal) else total


def _mean(values: list[Any], type_: FieldType) -> float | None:
    if not values:
        return None
    return float(sum(_units(values, type_))) / float(len(values) * _units_in_one(type_))


def _stddev(values: list[Any], type_: FieldType) -> float | None:
    if not values:
        return None
    units, n = _units(values, type_), len(values)
    variation = n * sum(unit * unit for unit in units) - sum(units) ** 2
    return math.sqrt(float(variation)) / float(n * _units_in_one(type_))


_OVER_VALUES: dict[type[Aggregation], Callable[[list[Any], FieldType], Any]] = {
    Sum: _sum,
    Mean: _mean,
    StdDev: _stddev,
    Min: lambda values, _: min(values, default=None),
    Max: lambda values, _: max(values, default=None),
    First: lambda values, _: values[0] if values else None,
    Last: lambda values, _: values[-1] if values else None,
    CountDistinct: lambda values, _: len(set(values)),
}

_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
