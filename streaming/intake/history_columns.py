"""How the columns of a Parquet or CSV file become the fields of a source, in SQL of DuckDB."""

from dataclasses import dataclass

from features.fields import Bool, Decimal, Field, FieldType, Float64, Int64, String, TimestampMs
from features.source import EVENT_ID, EVENT_TIME, EVENT_TIME_MS

_INTEGERS = ("BIGINT", "INTEGER", "SMALLINT", "TINYINT", "UINTEGER", "USMALLINT", "UTINYINT")
_NANOSECONDS = ("TIMESTAMP_NS", "TIMESTAMPTZ_NS")
_INSTANTS = ("TIMESTAMP", "TIMESTAMP WITH TIME ZONE", *_NANOSECONDS)
_DECIMAL = "DECIMAL"
# The type of a Parquet column that only has nulls.
_NULL = '"NULL"'

_INTEGER_TEXT = r"[+-]?\d+"
_NUMBER_TEXT = r"[+-]?(\d+(\.\d*)?|\.\d+)"
# No field takes more, and whole numbers with a billion digits would take for ever.
_DECIMAL_TEXT = rf"{_NUMBER_TEXT}([eE][+-]?\d{{1,2}})?"
_DOUBLE_TEXT = rf"{_NUMBER_TEXT}([eE][+-]?\d+)?|(?i)[+-]?(nan|inf|infinity)"
_BOOL_TEXT = "(?i)true|false"
_INSTANT_TEXT = r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d(:?\d\d)?)?)?"


@dataclass(frozen=True, kw_only=True)
class FileColumn:
    """One column of a file as a column of the source.

    Attributes:
        name: in the file.
        target: name in the source's events.
        value: SQL of the value; null where the file has none, or one of a wrong type.
        allowed: what the file may hold, for messages.
        required: whether a null is as wrong as a wrong type.
    """

    name: str
    target: str
    value: str
    allowed: str
    required: bool = False

    @property
    def wrong(self) -> str:
        """SQL that is true where the file holds what it may not."""
        if self.required:
            return f"({self.value}) IS NULL"
        return f"{identifier(self.name)} IS NOT NULL AND ({self.value}) IS NULL"


def identifier(name: str) -> str:
    """Return the name as a SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def text(value: str) -> str:
    """Return the value as a SQL string."""
    return "'" + value.replace("'", "''") + "'"


def expected_fields(fields: tuple[Field, ...], columns: frozenset[str]) -> tuple[Field, ...]:
    """Return id, time and fields of a source; the time is `event_time` if the file has that."""
    has_instant = EVENT_TIME.name in columns
    time = EVENT_TIME if has_instant else Field(name=EVENT_TIME_MS, type=TimestampMs())
    return (Field(name=EVENT_ID, type=String(), nullable=True), time, *fields)


def parquet_column(field: Field, found: str) -> FileColumn | None:
    """Return how to read a Parquet column of the type that was found; None for a wrong type."""
    kind = _DECIMAL if found.startswith(_DECIMAL) else found
    if kind not in (*_allowed_types(field), _NULL):
        return None
    return _column(field, _from_parquet(field.type, kind, identifier(field.name)), "not null")


def allowed_in_parquet(field: Field) -> str:
    """Return the types that `parquet_column` takes."""
    return ", ".join(_allowed_types(field))


def csv_column(field: Field) -> FileColumn:
    """Return how to read a CSV column; every one is text, null where it is empty."""
    value, allowed = _from_text(field, identifier(field.name))
    return _column(field, value, allowed)


def _column(field: Field, value: str, allowed: str) -> FileColumn:
    is_time = field.name in (EVENT_TIME.name, EVENT_TIME_MS)
    return FileColumn(
        name=field.name,
        target=EVENT_TIME_MS if is_time else field.name,
        value=value,
        allowed=allowed,
        required=is_time,
    )


def _allowed_types(field: Field) -> tuple[str, ...]:
    match field.type:
        case TimestampMs() if field.name == EVENT_TIME.name:
            return _INSTANTS
        case TimestampMs() if field.name != EVENT_TIME_MS:
            return (*_INTEGERS, *_INSTANTS)
        case Int64() | TimestampMs():
            return _INTEGERS
        case Decimal():
            return (_DECIMAL, *_INTEGERS)
        case Float64():
            return ("DOUBLE", "FLOAT")
        case Bool():
            return ("BOOLEAN",)
    return ("VARCHAR",)


def _from_parquet(type_: FieldType, kind: str, column: str) -> str:
    match type_:
        case TimestampMs() if kind in _INSTANTS:
            return _milliseconds(column, nanoseconds=kind in _NANOSECONDS)
        case TimestampMs() | Int64():
            return f"CAST({column} AS BIGINT)"
        case Float64():
            return f"CAST({column} AS DOUBLE)"
        case Bool():
            return f"CAST({column} AS BOOLEAN)"
    # Text has all digits of a decimal, whatever its precision.
    return f"CAST({column} AS VARCHAR)"


def _from_text(field: Field, column: str) -> tuple[str, str]:
    integer = _matching(column, _INTEGER_TEXT, f"TRY_CAST({column} AS BIGINT)")
    instant = _milliseconds(f"TRY_CAST({column} AS TIMESTAMPTZ)")
    instant = _matching(column, _INSTANT_TEXT, instant)
    match field.type:
        case TimestampMs() if field.name == EVENT_TIME.name:
            return instant, "an instant such as 2013-01-31T23:59:00Z"
        case TimestampMs() if field.name != EVENT_TIME_MS:
            both = f"COALESCE({integer}, {instant})"
            return both, "milliseconds, or an instant such as 2013-01-31T23:59:00Z"
        case Int64() | TimestampMs():
            return integer, "a whole number of 64 bits"
        case Decimal():
            return _matching(column, _DECIMAL_TEXT, column), "a decimal number such as -12.50"
        case Float64():
            value = _matching(column, _DOUBLE_TEXT, f"TRY_CAST({column} AS DOUBLE)")
            return value, "a number such as -1.5 or 2e-3"
        case Bool():
            value = _matching(column, _BOOL_TEXT, f"TRY_CAST({column} AS BOOLEAN)")
            return value, "true or false"
    return column, "text"


def _matching(column: str, pattern: str, value: str) -> str:
    return f"CASE WHEN regexp_full_match({column}, {text(pattern)}) THEN {value} END"


def _milliseconds(instant: str, *, nanoseconds: bool = False) -> str:
    """Cut off downwards, as `features.instant.to_ms` does; the division of DuckDB rounds to 0."""
    since, unit = (f"epoch_us({instant})", 1_000)
    if nanoseconds:
        since, unit = (f"epoch_ns({instant})", 1_000_000)
    return f"({since} - ({since} % {unit} + {unit}) % {unit}) // {unit}"
