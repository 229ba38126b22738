"""Values of our column types from JSON: exact numbers, known names, nothing else."""

import decimal
import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

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
from features.source import EVENT_ID, EVENT_TIME_MS, EventSource

_LONGEST_SHOWN = 100
_NUMBER = re.compile(r"-?\d{1,100}(\.\d{1,100})?\Z", re.ASCII)


class JsonError(SamestreamError, ValueError):
    """Text that is not JSON, or JSON that is no object of the names and types that are allowed."""


class NotJsonError(JsonError):
    """Text that is not JSON, or not JSON that means the same to everyone."""


def event_types(source: EventSource) -> dict[str, FieldType]:
    """Types of all columns of the events of a source, `event_id` and `event_time_ms` first."""
    return {
        EVENT_ID: String(),
        EVENT_TIME_MS: TimestampMs(),
        **{field.name: field.type for field in source.fields},
    }


def parse_json(text: bytes) -> Any:  # noqa: ANN401 - JSON
    """Return what a text says; a number that is not a whole one is a `decimal.Decimal`.

    Raises:
        NotJsonError: not UTF-8, not JSON, nested too deep, NaN or an infinity, or a name that
            stands twice in an object.
    """
    try:
        return json.loads(
            text.decode(),
            object_pairs_hook=_object,
            parse_float=decimal.Decimal,
            parse_constant=_refuse_constant,
        )
    except (ValueError, RecursionError, decimal.InvalidOperation) as error:
        msg = f"not JSON: {type(error).__name__} {str(error)[:_LONGEST_SHOWN]}"
        raise NotJsonError(msg) from error


def json_values(types: Mapping[str, FieldType], found: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return the value of each name of an object, null for those that are left out.

    A name without a type is refused, so that a misspelt one does not become a null. A decimal is a
    number or a text such as "12.50", and exact in both.

    Raises:
        JsonError: not an object of these names and types.
    """
    if not isinstance(found, dict):
        msg = f"got {shown(found)}; allowed is a JSON object"
        raise JsonError(msg)
    unknown = found.keys() - types.keys()
    if unknown:
        msg = f"got the names {shown(sorted(unknown))}; allowed are {', '.join(types)}"
        raise JsonError(msg)
    return {
        name: None if found.get(name) is None else _value(name, type_, found[name])
        for name, type_ in types.items()
    }


def shown(found: Any) -> str:  # noqa: ANN401 - JSON
    """Return the beginning of a value, for a message."""
    return repr(found)[:_LONGEST_SHOWN]


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        msg = "a name stands twice in an object"
        raise ValueError(msg)
    return made


def _refuse_constant(text: str) -> NoReturn:
    msg = f"{text} is not a number of JSON"
    raise ValueError(msg)


def _value(name: str, type_: FieldType, found: Any) -> Any:  # noqa: ANN401 - JSON
    read, allowed = _READERS[type(type_)]
    value = read(found)
    if value is None:
        msg = f"{name}: got {shown(found)}; allowed is {allowed} ({type_.word})"
        raise JsonError(msg)
    return value


def _integer(found: Any) -> int | None:  # noqa: ANN401 - JSON
    is_integer = isinstance(found, int) and not isinstance(found, bool)
    return found if is_integer and INT64_MIN <= found <= INT64_MAX else None


def _double(found: Any) -> float | None:  # noqa: ANN401 - JSON
    if isinstance(found, bool) or not isinstance(found, int | decimal.Decimal):
        return None
    try:
        number = float(found)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _decimal(found: Any) -> decimal.Decimal | None:  # noqa: ANN401 - JSON
    if isinstance(found, str):
        return decimal.Decimal(found) if _NUMBER.match(found) else None
    if isinstance(found, bool) or not isinstance(found, int | decimal.Decimal):
        return None
    return decimal.Decimal(found)


def _text(found: Any) -> str | None:  # noqa: ANN401 - JSON
    if not isinstance(found, str):
        return None
    try:
        found.encode()
    except UnicodeEncodeError:
        return None
    return found


def _bool(found: Any) -> bool | None:  # noqa: ANN401 - JSON
    return found if isinstance(found, bool) else None


_READERS: dict[type[FieldType], tuple[Callable[[Any], Any], str]] = {
    Int64: (_integer, "a whole number of 64 bits"),
    TimestampMs: (_integer, "a whole number of milliseconds"),
    Float64: (_double, "a number that a double can hold"),
    Decimal: (_decimal, "a number, or a text of digits with a point"),
    String: (_text, "text"),
    Bool: (_bool, "true or false"),
}
