"""Whether the values of an event are allowed."""

import decimal
import math
from typing import Any

from features.errors import DefinitionError, SamestreamError
from features.fields import INT64_MAX, INT64_MIN, Decimal, Float64, Int64, String
from features.source import EVENT_ID, EVENT_ID_ALLOWED, EVENT_TIME_MS, EventSource, is_event_id

_LONGEST_SHOWN = 100


class InvalidEventError(SamestreamError, ValueError):
    """An event whose values its source does not allow.

    Attributes:
        reason: one word to count by.
    """

    reason = "invalid"


class EventTimeError(InvalidEventError):
    """An event time that cannot be one."""

    reason = "event_time"


class EventValidator:
    """Checks decoded events of one source; Avro has already checked their types."""

    def __init__(self, source: EventSource) -> None:
        self._names = [field.name for field in source.fields]
        self._required = [field.name for field in source.fields if not field.nullable]
        self._earliest_ms = source.earliest_ms
        self._ranges = [
            (field.name, field.type.minimum, field.type.maximum)
            for field in source.fields
            if isinstance(field.type, Int64)
            and (field.type.minimum, field.type.maximum) != (INT64_MIN, INT64_MAX)
        ]
        self._texts = [
            (field.name, field.type.max_length, field.type.allowed)
            for field in source.fields
            if isinstance(field.type, String)
        ]
        self._decimals = [
            (field.name, field.type, field.type.range_units)
            for field in source.fields
            if isinstance(field.type, Decimal)
        ]
        self._doubles = [
            (field.name, field.type.minimum, field.type.maximum)
            for field in source.fields
            if isinstance(field.type, Float64)
        ]

    def is_heartbeat(self, event: dict[str, Any]) -> bool:
        """Return whether the record has only an event time."""
        return event[EVENT_ID] is None and all(event[name] is None for name in self._names)

    def check(self, event: dict[str, Any]) -> None:
        """Raise `InvalidEventError` for the first value that is not allowed."""
        if event[EVENT_TIME_MS] < self._earliest_ms:
            raise self._before_earliest(event[EVENT_TIME_MS])
        if self.is_heartbeat(event):
            return
        if not event[EVENT_ID] or not is_event_id(event[EVENT_ID]):
            raise _refused(event, EVENT_ID, EVENT_ID_ALLOWED)
        for name in self._required:
            if event[name] is None:
                raise _refused(event, name, "a value, as the field is not nullable")
        for name, minimum, maximum in self._ranges:
            if event[name] is not None and not minimum <= event[name] <= maximum:
                raise _refused(event, name, f"{minimum} to {maximum}")
        self._check_texts(event)
        self.check_decimals(event)
        for name, lowest, highest in self._doubles:
            # NaN is in no range.
            if event[name] is not None and not lowest <= event[name] <= highest:
                raise _refused(event, name, f"a number from {lowest} to {highest}")

    def _check_texts(self, event: dict[str, Any]) -> None:
        for name, longest, allowed in self._texts:
            text = event[name]
            if text is None:
                continue
            if len(text) > longest:
                msg = f"{name}: got {len(text)} characters; allowed are at most {longest}"
                raise InvalidEventError(msg)
            if allowed is not None and text not in allowed:
                raise _refused(event, name, f"one of {', '.join(map(repr, allowed))}")

    def check_decimals(self, event: dict[str, Any]) -> None:
        """Raise `InvalidEventError` for the first decimal out of range or with too many digits."""
        for name, type_, allowed in self._decimals:
            value = event[name]
            if isinstance(value, decimal.Decimal) and not _fits(type_, value, allowed):
                smallest, largest = map(type_.from_units, allowed)
                raise _refused(
                    event,
                    name,
                    f"{smallest} to {largest}, with at most {type_.scale} digits after the point",
                )

    def positive_zeros(self, event: dict[str, Any]) -> bool:
        """Turn -0.0 into 0.0 in place; return whether there was one."""
        found = False
        for name, _, _ in self._doubles:
            if event[name] == 0 and math.copysign(1, event[name]) < 0:
                event[name], found = 0.0, True
        return found

    def _before_earliest(self, time_ms: int) -> EventTimeError:
        seconds = "; it looks like seconds" if time_ms * 1_000 >= self._earliest_ms else ""
        return EventTimeError(
            f"{EVENT_TIME_MS}: got {time_ms}; allowed are milliseconds since 1970, "
            f"{self._earliest_ms} or later{seconds}"
        )


def _fits(type_: Decimal, value: decimal.Decimal, allowed_units: tuple[int, int]) -> bool:
    smallest, largest = allowed_units
    try:
        return smallest <= type_.units(value) <= largest
    except DefinitionError:
        return False


def _refused(event: dict[str, Any], name: str, allowed: str) -> InvalidEventError:
    got = repr(event[name])
    shown = got if len(got) <= _LONGEST_SHOWN else f"{got[:_LONGEST_SHOWN]}..."
    return InvalidEventError(f"{name}: got {shown}; allowed is {allowed}")
