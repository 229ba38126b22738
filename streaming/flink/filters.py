"""Filters as SQL conditions, which is where their treatment of null comes from."""

from datetime import datetime

from features.fields import Decimal, FieldType, Float64, String
from features.filter import And, Comparison, Condition, IsNull, Literal, Not, Or
from features.instant import to_ms
from features.source import EVENT_TIME, EVENT_TIME_MS, EventSource
from streaming.flink.sql import literal, quoted, sql_type

_OPERATORS = {"==": "=", "!=": "<>"}


def column_sql(column: str) -> str:
    """Return the column of a scan that holds a column of the source."""
    return quoted(EVENT_TIME_MS if column == EVENT_TIME.name else column)


def condition_sql(source: EventSource, condition: Condition) -> str:
    """Return a condition on the events of a source, in parentheses where it has parts."""
    match condition:
        case Comparison(column, operator, value):
            right = _literal_sql(source.column(column).type, value)
            return f"{column_sql(column)} {_OPERATORS.get(operator, operator)} {right}"
        case IsNull(column):
            return f"{column_sql(column)} IS NULL"
        case Not(inner):
            return f"NOT ({condition_sql(source, inner)})"
        case And(conditions):
            return f"({' AND '.join(condition_sql(source, each) for each in conditions)})"
        case Or(conditions):
            return f"({' OR '.join(condition_sql(source, each) for each in conditions)})"
    msg = f"condition: got {condition!r}; allowed are those of features.filter"
    raise TypeError(msg)


def _literal_sql(type_: FieldType, value: Literal) -> str:
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, datetime):
        value = to_ms(value)
    match type_:
        case String():
            text = str(value)
        case Float64():
            text = repr(float(value))
        case Decimal():
            text = format(value, "f")
        case _:
            text = str(value)
    return f"CAST({literal(text)} AS {sql_type(type_)})"
