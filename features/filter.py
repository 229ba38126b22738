"""Filters: which events an aggregation takes."""

import decimal
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from features.errors import DefinitionError
from features.fields import (
    INT64_MAX,
    INT64_MIN,
    Bool,
    Decimal,
    FieldType,
    Float64,
    Int64,
    String,
    TimestampMs,
    check_name,
)
from features.source import EventSource

EQUALITIES = ("==", "!=")
ORDERINGS = ("<", "<=", ">", ">=")

Literal = int | float | bool | str | decimal.Decimal | datetime


@dataclass(frozen=True)
class Condition:
    """Base of the conditions; `&`, `|` and `~` combine them.

    They follow SQL: a comparison with null is neither true nor false, and neither is its negation.
    An event passes a filter whose condition is true.
    """

    def __and__(self, other: "Condition") -> "And":
        return And((self, other))

    def __or__(self, other: "Condition") -> "Or":
        return Or((self, other))

    def __invert__(self) -> "Not":
        return Not(self)

    def check(self, source: EventSource) -> None:
        """Raise `DefinitionError` if the condition means nothing for a source."""
        raise NotImplementedError

    def columns(self) -> frozenset[str]:
        """Return the names of the columns that the condition reads."""
        raise NotImplementedError


@dataclass(frozen=True)
class Comparison(Condition):
    """A column compared with a literal of its type.

    Attributes:
        column: payload field, or `event_time`.
        operator: one of `==`, `!=`, `<`, `<=`, `>`, `>=`; a bool has only the first two.
        literal: int for int64, int or float for float64, `decimal.Decimal` for decimal, str, bool,
            and an aware datetime of whole milliseconds for timestamp_ms.
    """

    column: str
    operator: str
    literal: Literal

    def check(self, source: EventSource) -> None:
        type_ = source.column(self.column).type
        where = f"filter on {source.name}.{self.column}"
        allowed = EQUALITIES if isinstance(type_, Bool) else EQUALITIES + ORDERINGS
        if self.operator not in allowed:
            msg = f"{where}: got the operator {self.operator!r}; allowed are {', '.join(allowed)}"
            raise DefinitionError(msg)
        is_literal, wanted = LITERALS[type(type_)]
        if not is_literal(type_, self.literal):
            msg = f"{where}: got the literal {self.literal!r}; allowed is {wanted}"
            raise DefinitionError(msg)

    def columns(self) -> frozenset[str]:
        return frozenset({self.column})


@dataclass(frozen=True)
class IsNull(Condition):
    """Whether a column has no value."""

    column: str

    def check(self, source: EventSource) -> None:
        source.column(self.column)

    def columns(self) -> frozenset[str]:
        return frozenset({self.column})


@dataclass(frozen=True)
class And(Condition):
    """All of several conditions."""

    conditions: tuple[Condition, ...]

    def check(self, source: EventSource) -> None:
        _check_all("And", self.conditions, source)

    def columns(self) -> frozenset[str]:
        return _columns_of(self.conditions)


@dataclass(frozen=True)
class Or(Condition):
    """At least one of several conditions."""

    conditions: tuple[Condition, ...]

    def check(self, source: EventSource) -> None:
        _check_all("Or", self.conditions, source)

    def columns(self) -> frozenset[str]:
        return _columns_of(self.conditions)


@dataclass(frozen=True)
class Not(Condition):
    """The negation of a condition; what is neither true nor false stays so."""

    condition: Condition

    def check(self, source: EventSource) -> None:
        _check_all("Not", (self.condition,), source)

    def columns(self) -> frozenset[str]:
        return self.condition.columns()


@dataclass(frozen=True)
class Filter:
    """A named condition; the name becomes part of the names of the features it filters."""

    name: str
    condition: Condition

    def __post_init__(self) -> None:
        check_name("filter", self.name)

    def check(self, source: EventSource) -> None:
        """Raise `DefinitionError` if the condition means nothing for a source."""
        _check_all(f"filter {self.name!r}", (self.condition,), source)


def _check_all(what: str, conditions: tuple[Condition, ...], source: EventSource) -> None:
    if not conditions:
        msg = f"{what}: got no conditions; allowed is at least one"
        raise DefinitionError(msg)
    for condition in conditions:
        if not isinstance(condition, Condition):
            msg = f"{what}: got {condition!r}; allowed are conditions such as Comparison"
            raise DefinitionError(msg)
        condition.check(source)


def _columns_of(conditions: tuple[Condition, ...]) -> frozenset[str]:
    return frozenset().union(*(condition.columns() for condition in conditions))


def _is_int64(type_: FieldType, literal: object) -> bool:
    del type_
    if not isinstance(literal, int) or isinstance(literal, bool):
        return False
    return INT64_MIN <= literal <= INT64_MAX


def _is_float64(type_: FieldType, literal: object) -> bool:
    del type_
    if not isinstance(literal, int | float) or isinstance(literal, bool):
        return False
    return math.isfinite(literal) and literal == float(literal)


def _is_decimal(type_: FieldType, literal: object) -> bool:
    if not (isinstance(type_, Decimal) and isinstance(literal, decimal.Decimal)):
        return False
    try:
        type_.units(literal)
    except DefinitionError:
        return False
    return True


def _is_text(type_: FieldType, literal: object) -> bool:
    del type_
    if not isinstance(literal, str):
        return False
    try:
        literal.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_bool(type_: FieldType, literal: object) -> bool:
    del type_
    return isinstance(literal, bool)


def _is_instant(type_: FieldType, literal: object) -> bool:
    del type_
    if not isinstance(literal, datetime) or literal.tzinfo is None:
        return False
    return literal.microsecond % 1_000 == 0


# Which Python values are values of a type, and how an error names them.
LITERALS: dict[type[FieldType], tuple[Callable[[FieldType, object], bool], str]] = {
    Int64: (_is_int64, "an int of 64 bits"),
    Float64: (_is_float64, "a finite number that a double holds exactly"),
    Decimal: (_is_decimal, "a decimal.Decimal with no more digits than the field"),
    String: (_is_text, "text"),
    Bool: (_is_bool, "True or False"),
    TimestampMs: (_is_instant, "an aware datetime of whole milliseconds"),
}
