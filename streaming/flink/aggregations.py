"""How each aggregation is computed from events that enter a window and leave it again."""

from collections.abc import Callable
from dataclasses import dataclass

from features.aggregation import Aggregation, ColumnAggregation, Count, Last, Mean, Sum
from features.fields import Bool, String
from features.source import EVENT_ID, EVENT_TIME, EVENT_TIME_MS
from features.view import FeatureView
from streaming.flink.sql import SQL_TYPES, quoted
from streaming.flink.tables import WINDOW_END_MS

# Added to an event time (which is not negative), so that all have as many digits.
_TIME_SHIFT = 10**15
_TIME_DIGITS = 16
_SEPARATOR = r"U&'\0001'"


@dataclass(frozen=True, kw_only=True)
class Running:
    """One column that runs along the moves of an entity.

    Attributes:
        name: column name in moves, slices and changes.
        enter: SQL over an event that enters.
        leave: SQL over an event that leaves.
        merge: aggregate function that merges moves into slices and slices into the running value.
    """

    name: str
    enter: str
    leave: str
    merge: str


@dataclass(frozen=True, kw_only=True)
class Compiled:
    """An aggregation as running columns and the SQL of its value over them."""

    running: tuple[Running, ...]
    value: str


def compile_aggregation(view: FeatureView, aggregation: Aggregation) -> Compiled:
    """Return the SQL of one aggregation of a view."""
    return _COMPILERS[type(aggregation)](view, aggregation)


def _count(view: FeatureView, aggregation: Aggregation) -> Compiled:
    del view, aggregation
    rows = Running(
        name="rows__count", enter="CAST(1 AS BIGINT)", leave="CAST(-1 AS BIGINT)", merge="SUM"
    )
    return Compiled(running=(rows,), value=quoted(rows.name))


def _sum(view: FeatureView, aggregation: Aggregation) -> Compiled:
    total = _total(view, _column_of(aggregation))
    return Compiled(running=(total,), value=quoted(total.name))


def _mean(view: FeatureView, aggregation: Aggregation) -> Compiled:
    column = _column_of(aggregation)
    total = _total(view, column)
    present = f"CASE WHEN {quoted(column)} IS NULL THEN 0 ELSE"
    values = Running(
        name=f"{column}__count",
        enter=f"CAST({present} 1 END AS BIGINT)",
        leave=f"CAST({present} -1 END AS BIGINT)",
        merge="SUM",
    )
    mean = f"CAST({quoted(total.name)} AS DOUBLE) / CAST({quoted(values.name)} AS DOUBLE)"
    return Compiled(
        running=(total, values),
        value=f"CASE WHEN {quoted(values.name)} > 0 THEN {mean} END",
    )


def _last(view: FeatureView, aggregation: Aggregation) -> Compiled:
    """Compile the running maximum of (event time, event id, value) as text; nothing leaves."""
    column = _column_of(aggregation)
    type_ = view.source.column(column).type
    value = EVENT_TIME_MS if column == EVENT_TIME.name else column
    packed = (
        f"CAST({quoted(EVENT_TIME_MS)} + {_TIME_SHIFT} AS STRING) || {quoted(EVENT_ID)} || "
        f"{_SEPARATOR} || CAST({quoted(value)} AS STRING)"
    )
    newest = Running(
        name=f"{column}__newest", enter=packed, leave="CAST(NULL AS STRING)", merge="MAX"
    )
    name = quoted(newest.name)
    text = f"SUBSTRING({name} FROM POSITION({_SEPARATOR} IN {name}) + 1)"
    time = f"CAST(SUBSTRING({name} FROM 1 FOR {_TIME_DIGITS}) AS BIGINT) - {_TIME_SHIFT}"
    inside = f"{time} >= {quoted(WINDOW_END_MS)} - {view.window.size_ms}"
    unpacked = text if isinstance(type_, String) else f"CAST({text} AS {SQL_TYPES[type(type_)]})"
    return Compiled(running=(newest,), value=f"CASE WHEN {inside} THEN {unpacked} END")


_COMPILERS: dict[type[Aggregation], Callable[[FeatureView, Aggregation], Compiled]] = {
    Count: _count,
    Sum: _sum,
    Mean: _mean,
    Last: _last,
}


def _column_of(aggregation: Aggregation) -> str:
    assert isinstance(aggregation, ColumnAggregation)  # noqa: S101 - narrows the type
    return aggregation.column


def _total(view: FeatureView, column: str) -> Running:
    if isinstance(view.source.column(column).type, Bool):
        # CAST of a BOOLEAN that is null can come out of Flink 2.3 as a null that COALESCE misses.
        true = f"CAST(CASE WHEN {quoted(column)} THEN %d ELSE 0 END AS BIGINT)"
        enter, leave = true % 1, true % -1
    else:
        enter = f"COALESCE({quoted(column)}, 0)"
        leave = f"-{enter}"
    return Running(name=f"{column}__sum", enter=enter, leave=leave, merge="SUM")
