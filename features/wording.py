"""Parts of definitions in words, for people."""

import decimal
from datetime import UTC, datetime, timedelta

from features.aggregation import Aggregation
from features.fields import Decimal, Field, FieldType, Float64, Int64, String
from features.filter import And, Comparison, Condition, IsNull, Literal, Not, Or
from features.instant import MILLISECOND
from features.window import SlidingWindow

_UNITS = (
    ("d", timedelta(days=1)),
    ("h", timedelta(hours=1)),
    ("min", timedelta(minutes=1)),
    ("s", timedelta(seconds=1)),
    ("ms", MILLISECOND),
)


def duration_text(duration: timedelta) -> str:
    """Return a duration of whole milliseconds in days to milliseconds: `1 min 30 s`."""
    rest, words = duration, []
    for unit, length in _UNITS:
        number, rest = divmod(rest, length)
        if number:
            words.append(f"{number} {unit}")
    return " ".join(words) or "0 ms"


def window_text(window: SlidingWindow) -> str:
    """Return size and slide of a window."""
    return f"size {duration_text(window.size)}, slide {duration_text(window.slide)}"


def type_text(type_: FieldType) -> str:
    """Return a type without its range."""
    if isinstance(type_, Decimal):
        return f"{type_.word}({type_.precision}, {type_.scale})"
    return type_.word


def field_text(field: Field) -> str:
    """Return what values a field takes: type, declared limits, null; and its former names."""
    return "".join(
        (
            type_text(field.type),
            _limits_text(field.type),
            ", nullable" * field.nullable,
            f", once {' or '.join(field.aliases)}" if field.aliases else "",
        )
    )


def _limits_text(type_: FieldType) -> str:
    match type_:
        case Int64() | Float64() if type_ != type(type_)():
            return f", {type_.minimum} to {type_.maximum}"
        case Decimal():
            lowest, highest = (type_.from_units(units) for units in type_.range_units)
            return f", {lowest} to {highest}"
        case String(allowed=allowed) if allowed is not None:
            return f", one of {', '.join(map(repr, allowed))}"
        case String() if type_ != String():
            return f", at most {type_.max_length} characters"
    return ""


def aggregation_text(aggregation: Aggregation) -> str:
    """Return an aggregation without its filter: `mean of dep_delay`."""
    return f"{aggregation.word} of {', '.join(aggregation.columns()) or 'events'}"


def condition_text(condition: Condition) -> str:
    """Return a condition as an expression: `late == true and not (hour < 6 or hour > 22)`."""
    match condition:
        case Comparison(column, operator, literal):
            return f"{column} {operator} {_literal_text(literal)}"
        case IsNull(column):
            return f"{column} is null"
        case Not(IsNull(column)):
            return f"{column} is not null"
        case Not(inner):
            return f"not ({condition_text(inner)})"
        case And(conditions):
            return " and ".join(map(_operand_text, conditions))
        case Or(conditions):
            return " or ".join(map(_operand_text, conditions))
    msg = f"condition: got {condition!r}; allowed are those of features.filter"
    raise TypeError(msg)


def _operand_text(condition: Condition) -> str:
    text = condition_text(condition)
    return f"({text})" if isinstance(condition, And | Or) else text


def _literal_text(literal: Literal) -> str:
    match literal:
        case bool():
            return str(literal).lower()
        case datetime():
            return literal.astimezone(UTC).isoformat()
        case decimal.Decimal():
            return str(literal)
    return repr(literal)
