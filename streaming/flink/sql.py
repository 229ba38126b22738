"""The pieces of SQL text that every statement is made of."""

from collections.abc import Iterable

from features.errors import SamestreamError
from features.fields import Bool, Decimal, FieldType, Float64, Int64, String, TimestampMs

_SQL_TYPES: dict[type[FieldType], str] = {
    Int64: "BIGINT",
    Float64: "DOUBLE",
    String: "STRING",
    Bool: "BOOLEAN",
    TimestampMs: "BIGINT",
}

_DAY_MS = 86_400_000
_MAX_DAYS = 999


class IntervalError(SamestreamError, ValueError):
    """A duration that a Flink interval cannot hold."""


def sql_type(type_: FieldType) -> str:
    """Return Flink's name of a column type."""
    if isinstance(type_, Decimal):
        return f"DECIMAL({type_.precision}, {type_.scale})"
    return _SQL_TYPES[type(type_)]


def quoted(name: str) -> str:
    """Return the name as a SQL identifier; names of definitions hold no back quotes."""
    return f"`{name}`"


def columns(names: Iterable[str]) -> str:
    """Return the quoted names as a comma separated list."""
    return ", ".join(quoted(name) for name in names)


def literal(text: str) -> str:
    """Return the text as a SQL string."""
    return "'" + text.replace("'", "''") + "'"


def interval(duration_ms: int) -> str:
    """Return the duration as an interval; Flink takes at most three digits of days.

    Raises:
        IntervalError: The duration is longer than 999 days.
    """
    days, rest = divmod(duration_ms, _DAY_MS)
    if days > _MAX_DAYS:
        msg = f"interval: got {duration_ms} ms; allowed is less than {_MAX_DAYS + 1} days"
        raise IntervalError(msg)
    seconds, milliseconds = divmod(rest, 1_000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return (
        f"INTERVAL '{days} {hours:02}:{minutes:02}:{seconds:02}.{milliseconds:03}' "
        "DAY(3) TO SECOND(3)"
    )


def options(values: dict[str, str]) -> str:
    """Return the options of a table, one on each line."""
    lines = (f"  {literal(key)} = {literal(value)}" for key, value in values.items())
    return "WITH (\n" + ",\n".join(lines) + "\n)"
