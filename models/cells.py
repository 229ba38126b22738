"""Values of our column types from the cells of a table file."""

import decimal
import math
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from features.errors import SamestreamError
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
)
from features.instant import to_ms

_NUMBER = re.compile(r"[-+]?[0-9]+(\.[0-9]*)?\Z")
_BOOLS = {"true": True, "false": False}


class CellError(SamestreamError, ValueError):
    """A cell of a table file that holds no value of its column's type."""


def parse_cell(type_: FieldType, cell: Any) -> Any:  # noqa: ANN401
    """Return the value of a cell that is not null.

    Args:
        type_: of the column.
        cell: text of a CSV file, or what pandas reads from a Parquet file.

    Raises:
        CellError: The cell holds no such value; the message says what is allowed.
    """
    parse, allowed = _PARSERS[type(type_)]
    try:
        return parse(type_, cell)
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as error:
        msg = f"got {cell!r}; allowed is {allowed}"
        raise CellError(msg) from error


def _int64(type_: FieldType, cell: Any) -> int:  # noqa: ANN401
    del type_
    # Also 12.0, which pandas writes once a column of integers has a null.
    number = decimal.Decimal(cell) if isinstance(cell, str) else cell
    whole = int(number)
    if isinstance(cell, bool) or whole != number or not INT64_MIN <= whole <= INT64_MAX:
        raise ValueError
    return whole


def _timestamp_ms(type_: FieldType, cell: Any) -> int:  # noqa: ANN401
    if isinstance(cell, str) and not _NUMBER.match(cell):
        cell = datetime.fromisoformat(cell)
    if isinstance(cell, datetime):
        # A time without a zone is UTC, as in Feast.
        return to_ms(cell if cell.tzinfo else cell.replace(tzinfo=UTC))
    return _int64(type_, cell)


def _float64(type_: FieldType, cell: Any) -> float:  # noqa: ANN401
    del type_
    value = float(cell)
    if not math.isfinite(value):
        raise ValueError
    # Not -0.0, as at intake.
    return value + 0.0


def _decimal(type_: FieldType, cell: Any) -> decimal.Decimal:  # noqa: ANN401
    if isinstance(cell, float) or not isinstance(type_, Decimal):
        raise TypeError
    return type_.from_units(type_.units(decimal.Decimal(cell)))


def _text(type_: FieldType, cell: Any) -> str:  # noqa: ANN401
    del type_
    if not isinstance(cell, str):
        raise TypeError
    return cell


def _bool(type_: FieldType, cell: Any) -> bool:  # noqa: ANN401
    del type_
    return cell if isinstance(cell, bool) else _BOOLS[cell.lower()]


_PARSERS: dict[type[FieldType], tuple[Callable[[FieldType, Any], Any], str]] = {
    Int64: (_int64, "a whole number of 64 bits"),
    TimestampMs: (_timestamp_ms, "milliseconds since the epoch or an ISO 8601 time"),
    Float64: (_float64, "a finite number"),
    Decimal: (_decimal, "a decimal number with no more digits than the field"),
    String: (_text, "text"),
    Bool: (_bool, "true or false"),
}
