"""Aggregations: what a feature view computes over the events of one window."""

from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

from features.errors import DefinitionError
from features.fields import (
    INT64_MAX,
    MAX_PRECISION,
    Bool,
    Decimal,
    Field,
    FieldType,
    Float64,
    Int64,
    TimestampMs,
)
from features.filter import Filter
from features.source import EventSource

# A window of one entity holds fewer events than this: sums are declared so that they fit.
MAX_EVENTS = 2**40
# The largest power of ten that a double holds exactly.
_EXACT_POWER = 22


@dataclass(frozen=True, kw_only=True)
class Feature:
    """One output column of a feature view."""

    name: str
    type: FieldType
    nullable: bool


@dataclass(frozen=True, kw_only=True)
class Aggregation:
    """Base of the aggregations; `word` ends the names of its features.

    Attributes:
        where: which events take part; None is all of them.
    """

    word: ClassVar[str]
    where: Filter | None = None

    def columns(self) -> tuple[str, ...]:
        """Columns of the source that are aggregated."""
        raise NotImplementedError

    def result(self, source: EventSource) -> tuple[FieldType, bool]:
        """Type of the feature and whether it is null over an empty window."""
        raise NotImplementedError


@dataclass(frozen=True)
class Count(Aggregation):
    """Number of events; 0 over an empty window."""

    word: ClassVar[str] = "count"

    def columns(self) -> tuple[str, ...]:
        return ()

    def result(self, source: EventSource) -> tuple[FieldType, bool]:
        del source
        return Int64(), False


@dataclass(frozen=True)
class ColumnAggregation(Aggregation):
    """An aggregation over one column; null values take no part."""

    column: str
    _: KW_ONLY
    where: Filter | None = None

    def columns(self) -> tuple[str, ...]:
        return (self.column,)


@dataclass(frozen=True)
class Sum(ColumnAggregation):
    """Exact sum; 0 over an empty window. A bool counts as 1 or 0.

    An int64 when the declared range of the column keeps the sum within 64 bits, else a decimal.
    """

    word: ClassVar[str] = "sum"

    def result(self, source: EventSource) -> tuple[FieldType, bool]:
        return sum_type(_summable(self, source).type), False


@dataclass(frozen=True)
class Mean(ColumnAggregation):
    """Exact sum divided once by the number of values that are not null; null without one.

    With u the sum in units of the last decimal of the column, and n the number of values, it is
    `double(u) / double(n * 10**scale)`.
    """

    word: ClassVar[str] = "mean"

    def result(self, source: EventSource) -> tuple[FieldType, bool]:
        _divisible(self, source)
        return Float64(), True


@dataclass(frozen=True)
class StdDev(ColumnAggregation):
    """Population standard deviation of the values that are not null; null without one.

    With u the values in units of the last decimal of the column, and n their number, it is
    `sqrt(double(n * sum(u * u) - sum(u)**2)) / double(n * 10**scale)`.
    """

    word: ClassVar[str] = "stddev"

    def result(self, source: EventSource) -> tuple[FieldType, bool]:
        field = _divisible(self, source)
        allowed = (10**19 - 1) // MAX_EVENTS
        if largest_unit(field.type) > allowed:
            msg = (
                f"stddev of {source.name}.{field.name}: got a range whose squares can overflow "
                f"{MAX_PRECISION} digits; declare a range within +-{_shown(field.type, allowed)}"
            )
            raise DefinitionError(msg)
        return Float64(), True


@dataclass(frozen=True)
class Min(ColumnAggregation):
    """Smallest value; null without one."""

    word: ClassVar[str] = "min"

    def result(self, source: EventSource) -> tuple[FieldType, bool]:
        return _one_value(_of_type(self, source, Int64, Decimal, Float64, TimestampMs)), True


@dataclass(frozen=True)
class Max(ColumnAggregation):
    """Largest value; null without one."""

    word: ClassVar[str] = "max"

    def result(self, source: EventSource) -> tuple[FieldType, bool]:
        return _one_value(_of_type(self, source, Int64, Decimal, Float64, TimestampMs)), True


@dataclass(frozen=True)
class First(ColumnAggregation):
    """Value of the oldest event with a value, ties broken by event id; null without one."""

    word: ClassVar[str] = "first"

    def result(self, source: EventSource) -> tuple[FieldType, bool]:
        return _one_value(source.column(self.column)), True


@dataclass(frozen=True)
class Last(ColumnAggregation):
    """Value of the newest event with a value, ties broken by event id; null without one."""

    word: ClassVar[str] = "last"

    def result(self, source: EventSource) -> tuple[FieldType, bool]:
        return _one_value(source.column(self.column)), True


@dataclass(frozen=True)
class CountDistinct(ColumnAggregation):
    """Number of different values; 0 over an empty window."""

    word: ClassVar[str] = "count_distinct"

    def result(self, source: EventSource) -> tuple[FieldType, bool]:
        source.column(self.column)
        return Int64(), False


def sum_type(type_: FieldType) -> FieldType:
    """Type that holds every sum of a type that can be summed."""
    if isinstance(type_, Decimal):
        return Decimal(precision=MAX_PRECISION, scale=type_.scale)
    if largest_unit(type_) * MAX_EVENTS <= INT64_MAX:
        return Int64()
    return Decimal(precision=MAX_PRECISION)


def largest_unit(type_: FieldType) -> int:
    """Largest absolute value of a type that can be summed, in units of its last decimal."""
    match type_:
        case Bool():
            return 1
        case Int64():
            return max(abs(type_.minimum), abs(type_.maximum))
        case Decimal():
            return max(abs(bound) for bound in type_.range_units)
    msg = f"got type {type_.word}; allowed are int64, decimal and bool"
    raise DefinitionError(msg)


def _summable(aggregation: ColumnAggregation, source: EventSource) -> Field:
    field = _of_type(aggregation, source, Int64, Decimal, Bool)
    allowed = (10**MAX_PRECISION - 1) // MAX_EVENTS
    if largest_unit(field.type) > allowed:
        msg = (
            f"{aggregation.word} of {source.name}.{field.name}: got a range whose sum can overflow "
            f"{MAX_PRECISION} digits; declare a range within +-{_shown(field.type, allowed)}"
        )
        raise DefinitionError(msg)
    return field


def _divisible(aggregation: ColumnAggregation, source: EventSource) -> Field:
    field = _summable(aggregation, source)
    if isinstance(field.type, Decimal) and field.type.scale > _EXACT_POWER:
        msg = (
            f"{aggregation.word} of {source.name}.{field.name}: got scale {field.type.scale}; "
            f"allowed is at most {_EXACT_POWER}"
        )
        raise DefinitionError(msg)
    return field


def _of_type(
    aggregation: ColumnAggregation, source: EventSource, *allowed: type[FieldType]
) -> Field:
    field = source.column(aggregation.column)
    if not isinstance(field.type, allowed):
        sums = Float64 not in allowed and isinstance(field.type, Float64)
        hint = "; declare a scale: decimal(p, s), or an integer of a smaller unit" * sums
        msg = (
            f"{aggregation.word} of {source.name}.{field.name}: got type {field.type.word}; "
            f"allowed are {', '.join(type_.word for type_ in allowed)}{hint}"
        )
        raise DefinitionError(msg)
    return field


def _one_value(field: Field) -> FieldType:
    """Type of a value of the column; a declared range says nothing about the feature."""
    match field.type:
        case Int64():
            return Int64()
        case Decimal():
            return Decimal(precision=field.type.precision, scale=field.type.scale)
    return field.type


def _shown(type_: FieldType, units: int) -> str:
    return str(type_.from_units(units) if isinstance(type_, Decimal) else units)
