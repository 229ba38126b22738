"""Aggregations: what a feature view computes over the events of one window."""

from dataclasses import dataclass
from typing import ClassVar

from features.errors import DefinitionError
from features.fields import Bool, Field, FieldType, Float64, Int64, String, TimestampMs
from features.source import EventSource

# A window can hold fewer events than this, so a BIGINT sum of values within the
# declared range cannot overflow when range * MAX_EVENTS fits into 64 bits.
MAX_EVENTS = 2**40


@dataclass(frozen=True, kw_only=True)
class Feature:
    """One output column of a feature view."""

    name: str
    type: FieldType
    nullable: bool


@dataclass(frozen=True, kw_only=True)
class Aggregation:
    """Base of the aggregations; `word` ends the names of its features."""

    word: ClassVar[str]

    def columns(self) -> tuple[str, ...]:
        """Columns of the source that the aggregation reads."""
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

    def columns(self) -> tuple[str, ...]:
        return (self.column,)


def _summable(aggregation: ColumnAggregation, source: EventSource) -> Field:
    field = source.column(aggregation.column)
    where = f"{aggregation.word} of {source.name}.{field.name}"
    if isinstance(field.type, Bool):
        return field
    if not isinstance(field.type, Int64):
        hint = "; declare it as an integer of a smaller unit" * isinstance(field.type, Float64)
        msg = f"{where}: got type {field.type.word}; allowed are int64 and bool{hint}"
        raise DefinitionError(msg)
    largest = max(abs(field.type.minimum), abs(field.type.maximum))
    if largest * MAX_EVENTS > 2**63 - 1:
        msg = (
            f"{where}: got the range [{field.type.minimum}, {field.type.maximum}], whose sum can "
            f"overflow 64 bits; declare a range within +-{(2**63 - 1) // MAX_EVENTS}"
        )
        raise DefinitionError(msg)
    return field


@dataclass(frozen=True)
class Sum(ColumnAggregation):
    """Exact sum; 0 over an empty window. A bool counts as 1 or 0."""

    word: ClassVar[str] = "sum"

    def result(self, source: EventSource) -> tuple[FieldType, bool]:
        _summable(self, source)
        return Int64(), False


@dataclass(frozen=True)
class Mean(ColumnAggregation):
    """Exact sum divided once by the number of values that are not null; null without one."""

    word: ClassVar[str] = "mean"

    def result(self, source: EventSource) -> tuple[FieldType, bool]:
        _summable(self, source)
        return Float64(), True


@dataclass(frozen=True)
class Last(ColumnAggregation):
    """Value of the newest event, ties broken by event id; null without one."""

    word: ClassVar[str] = "last"

    def result(self, source: EventSource) -> tuple[FieldType, bool]:
        field = source.column(self.column)
        if not isinstance(field.type, Int64 | String | Bool | TimestampMs):
            msg = (
                f"last of {source.name}.{field.name}: got type {field.type.word}; "
                "allowed are int64, string, bool and timestamp_ms"
            )
            raise DefinitionError(msg)
        return (Int64() if isinstance(field.type, Int64) else field.type), True
