"""How each aggregation is computed from events that enter a window and leave it again."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

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
from features.fields import MAX_PRECISION, Bool, Decimal, Int64, String
from features.source import EVENT_ID, EVENT_TIME_MS
from features.view import FeatureView
from streaming.flink.filters import column_sql, condition_sql
from streaming.flink.sql import quoted, sql_type
from streaming.flink.tables import WINDOW_END_MS

# Added to an event time (which is not negative), so that all have as many digits.
_TIME_SHIFT = 10**15
_TIME_DIGITS = 16
_SEPARATOR = r"U&'\0001'"

_UNITS = f"DECIMAL({MAX_PRECISION}, 0)"


@dataclass(frozen=True, kw_only=True)
class Running:
    """One column that runs along the moves of an entity.

    Attributes:
        name: column name in moves, slices and changes.
        enter: SQL over an event that enters.
        leave: SQL over an event that leaves.
        merge: aggregate function that merges moves into slices and slices into the running value.
        over: what it runs over: all slices so far, so that what leaves must cancel what entered,
            or those of the window, where nothing leaves.
        neutral: SQL of the value that changes nothing.
    """

    name: str
    enter: str
    leave: str
    merge: str
    over: Literal["history", "window"]
    neutral: str


@dataclass(frozen=True, kw_only=True)
class Distinct:
    """Different values of a column, counted while they enter and leave.

    Attributes:
        name: column name in moves.
        value: SQL over an event; null where it takes no part.
        changes: name of the running column that gets +1 for a new value and -1 for the last of it.
    """

    name: str
    value: str
    changes: str


@dataclass(frozen=True, kw_only=True)
class Compiled:
    """An aggregation as running columns and the SQL of its value over them."""

    running: tuple[Running, ...]
    value: str
    distinct: Distinct | None = None


def compile_aggregation(view: FeatureView, aggregation: Aggregation) -> Compiled:
    """Return the SQL of one aggregation of a view."""
    return _COMPILERS[type(aggregation)](view, aggregation)


def _count(view: FeatureView, aggregation: Aggregation) -> Compiled:
    rows = _counter(view, aggregation, "all__rows", None)
    return Compiled(running=(rows,), value=quoted(rows.name))


def _sum(view: FeatureView, aggregation: Aggregation) -> Compiled:
    column = _column_of(aggregation)
    field = view.source.column(column)
    if isinstance(field.type, Decimal):
        added = f"CAST({quoted(column)} AS {sql_type(sum_type(field.type))})"
        total = _total(view, aggregation, f"{column}__sum", added, sql_type(sum_type(field.type)))
    else:
        total = _units_total(view, aggregation)
    return Compiled(running=(total,), value=quoted(total.name))


def _mean(view: FeatureView, aggregation: Aggregation) -> Compiled:
    total, values = _units_total(view, aggregation), _values_counter(view, aggregation)
    mean = f"CAST({quoted(total.name)} AS DOUBLE) / {_divisor(view, aggregation, values)}"
    return Compiled(running=(total, values), value=_with_values(values, mean))


def _stddev(view: FeatureView, aggregation: Aggregation) -> Compiled:
    total, values = _units_total(view, aggregation), _values_counter(view, aggregation)
    unit = f"CAST({_units(view, aggregation)} AS {_UNITS})"
    name = f"{_column_of(aggregation)}__squares"
    squares = _total(view, aggregation, name, f"{unit} * {unit}", _UNITS)
    count, sum_ = (f"CAST({quoted(column.name)} AS {_UNITS})" for column in (values, total))
    variation = f"{count} * {quoted(squares.name)} - {sum_} * {sum_}"
    deviation = f"SQRT(CAST({variation} AS DOUBLE)) / {_divisor(view, aggregation, values)}"
    return Compiled(running=(total, values, squares), value=_with_values(values, deviation))


def _min(view: FeatureView, aggregation: Aggregation) -> Compiled:
    return _extreme(view, aggregation, "MIN")


def _max(view: FeatureView, aggregation: Aggregation) -> Compiled:
    return _extreme(view, aggregation, "MAX")


def _extreme(view: FeatureView, aggregation: Aggregation, merge: str) -> Compiled:
    column = _column_of(aggregation)
    null = f"CAST(NULL AS {sql_type(view.source.column(column).type)})"
    value = Running(
        name=_named(f"{column}__{merge.lower()}", aggregation),
        enter=_taken(view, aggregation, column_sql(column), null),
        leave=null,
        merge=merge,
        over="window",
        neutral=null,
    )
    return Compiled(running=(value,), value=quoted(value.name))


def _first(view: FeatureView, aggregation: Aggregation) -> Compiled:
    oldest = _packed(view, aggregation, "oldest", "MIN", "window")
    return Compiled(running=(oldest,), value=_unpacked(view, aggregation, oldest))


def _last(view: FeatureView, aggregation: Aggregation) -> Compiled:
    """Compile the newest event so far, which needs no leaving: it may only be too old."""
    newest = _packed(view, aggregation, "newest", "MAX", "history")
    digits = f"SUBSTRING({quoted(newest.name)} FROM 1 FOR {_TIME_DIGITS})"
    time = f"CAST({digits} AS BIGINT) - {_TIME_SHIFT}"
    inside = f"{time} >= {quoted(WINDOW_END_MS)} - {view.window.size_ms}"
    value = f"CASE WHEN {inside} THEN {_unpacked(view, aggregation, newest)} END"
    return Compiled(running=(newest,), value=value)


def _count_distinct(view: FeatureView, aggregation: Aggregation) -> Compiled:
    column = _column_of(aggregation)
    null = f"CAST(NULL AS {sql_type(view.source.column(column).type)})"
    none = "CAST(0 AS BIGINT)"
    changes = Running(
        name=_named(f"{column}__distinct", aggregation),
        enter=none,
        leave=none,
        merge="SUM",
        over="history",
        neutral=none,
    )
    distinct = Distinct(
        name=_named(f"{column}__value", aggregation),
        value=_taken(view, aggregation, column_sql(column), null),
        changes=changes.name,
    )
    return Compiled(running=(changes,), value=quoted(changes.name), distinct=distinct)


_COMPILERS: dict[type[Aggregation], Callable[[FeatureView, Aggregation], Compiled]] = {
    Count: _count,
    Sum: _sum,
    Mean: _mean,
    StdDev: _stddev,
    Min: _min,
    Max: _max,
    First: _first,
    Last: _last,
    CountDistinct: _count_distinct,
}


def _column_of(aggregation: Aggregation) -> str:
    assert isinstance(aggregation, ColumnAggregation)  # noqa: S101 - narrows the type
    return aggregation.column


def _named(name: str, aggregation: Aggregation) -> str:
    """Return the name of a column that only takes what the aggregation's filter lets pass."""
    return f"{name}__{aggregation.where.name}" if aggregation.where else name


def _taken(view: FeatureView, aggregation: Aggregation, value: str, otherwise: str) -> str:
    if aggregation.where is None:
        return value
    condition = condition_sql(view.source, aggregation.where.condition)
    return f"CASE WHEN {condition} THEN {value} ELSE {otherwise} END"


def _counter(
    view: FeatureView, aggregation: Aggregation, name: str, present: str | None
) -> Running:
    """Count the events that pass the filter and, if given, the condition."""
    one, none = "CAST(%d AS BIGINT)", "CAST(0 AS BIGINT)"
    if present:
        one = f"CASE WHEN {present} THEN {one} ELSE {none} END"
    return _summed(view, aggregation, name, (one % 1, one % -1), none)


def _values_counter(view: FeatureView, aggregation: Aggregation) -> Running:
    column = _column_of(aggregation)
    return _counter(view, aggregation, f"{column}__values", f"{quoted(column)} IS NOT NULL")


def _total(
    view: FeatureView, aggregation: Aggregation, name: str, added: str, type_: str
) -> Running:
    """Sum what an expression gives for the events where it is not null."""
    zero = f"CAST(0 AS {type_})"
    moves = f"COALESCE(({added}), {zero})", f"COALESCE(-({added}), {zero})"
    return _summed(view, aggregation, name, moves, zero)


def _summed(
    view: FeatureView, aggregation: Aggregation, name: str, moves: tuple[str, str], zero: str
) -> Running:
    """Add what enters and what leaves with a filtered event, the second with its sign."""
    enter, leave = (_taken(view, aggregation, move, zero) for move in moves)
    return Running(
        name=_named(name, aggregation),
        enter=enter,
        leave=leave,
        merge="SUM",
        over="history",
        neutral=zero,
    )


def _units_total(view: FeatureView, aggregation: Aggregation) -> Running:
    """Sum whole numbers of the last digit, in 64 bits where the declared range allows it."""
    column = _column_of(aggregation)
    narrow = isinstance(sum_type(view.source.column(column).type), Int64)
    type_ = "BIGINT" if narrow else _UNITS
    added = f"CAST({_units(view, aggregation)} AS {type_})"
    return _total(view, aggregation, f"{column}__units", added, type_)


def _units(view: FeatureView, aggregation: Aggregation) -> str:
    column = _column_of(aggregation)
    match view.source.column(column).type:
        case Decimal(scale=scale):
            return f"{quoted(column)} * CAST({10**scale} AS DECIMAL({scale + 1}, 0))"
        case Bool():
            # CAST of a BOOLEAN that is null comes out of Flink 2.3 as a null that COALESCE misses.
            return f"CASE WHEN {quoted(column)} THEN 1 WHEN NOT {quoted(column)} THEN 0 END"
    return quoted(column)


def _divisor(view: FeatureView, aggregation: Aggregation, values: Running) -> str:
    """Return the number of values in units of the column, exact up to 2**53."""
    count = f"CAST({quoted(values.name)} AS DOUBLE)"
    type_ = view.source.column(_column_of(aggregation)).type
    scale = type_.scale if isinstance(type_, Decimal) else 0
    return f"({count} * 1E{scale})" if scale else count


def _with_values(values: Running, value: str) -> str:
    return f"CASE WHEN {quoted(values.name)} > 0 THEN {value} END"


def _packed(
    view: FeatureView,
    aggregation: Aggregation,
    word: str,
    merge: str,
    over: Literal["history", "window"],
) -> Running:
    """Pack event time, event id and value into text that sorts by the first two."""
    column = _column_of(aggregation)
    packed = (
        f"CAST({quoted(EVENT_TIME_MS)} + {_TIME_SHIFT} AS STRING) || {quoted(EVENT_ID)} || "
        f"{_SEPARATOR} || CAST({column_sql(column)} AS STRING)"
    )
    null = "CAST(NULL AS STRING)"
    return Running(
        name=_named(f"{column}__{word}", aggregation),
        enter=_taken(view, aggregation, packed, null),
        leave=null,
        merge=merge,
        over=over,
        neutral=null,
    )


def _unpacked(view: FeatureView, aggregation: Aggregation, packed: Running) -> str:
    type_ = view.source.column(_column_of(aggregation)).type
    name = quoted(packed.name)
    text = f"SUBSTRING({name} FROM POSITION({_SEPARATOR} IN {name}) + 1)"
    return text if isinstance(type_, String) else f"CAST({text} AS {sql_type(type_)})"
