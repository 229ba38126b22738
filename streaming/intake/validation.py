"""Whether the values of an event are allowed."""

import decimal
import math
from typing import Any

from features.errors import DefinitionError, SamestreamError
from features.fields import Decimal, Float64, Int64
from features.source import EVENT_ID, EVENT_ID_ALLOWED, EVENT_TIME_MS, EventSource, is_event_id


class InvalidEventError(SamestreamError, ValueError):
    """An event whose values its source does not allow."""


class EventValidator:
    """Checks decoded events of one source; Avro has already checked their types."""

    def __init__(self, source: EventSource) -> None:
        self._names = [field.name for field in source.fields]
        self._required = [field.name for field in source.fields if not field.nullable]
        self._ranges = [
            (field.name, field.type.minimum, field.type.maximum)
            for field in source.fields
            if isinstance(field.type, Int64)
        ]
        self._decimals = [
            (field.name, field.type, field.type.range_units)
            for field in source.fields
            if isinstance(field.type, Decimal)
        ]
        self._doubles = [field.name for field in source.fields if isinstance(field.type, Float64)]

    def is_heartbeat(self, event: dict[str, Any]) -> bool:
        """Return whether the record has only an event time."""
        return event[EVENT_ID] is None and all(event[name] is None for name in self._names)

    def check(self, event: dict[str, Any]) -> None:
        """Raise `InvalidEventError` for the first value that is not allowed."""
        if event[EVENT_TIME_MS] < 0:
            raise _refused(event, EVENT_TIME_MS, "0 or more")
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
        self.check_decimals(event)
        for name in self._doubles:
            if event[name] is not None and not math.isfinite(event[name]):
                raise _refused(event, name, "a finite number")

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
        found = [
            name for name in self._doubles if event[name] == 0 and math.copysign(1, event[name]) < 0
        ]
        event.update(dict.fromkeys(found, 0.0))
        return bool(found)


def _fits(type_: Decimal, value: decimal.Decimal, allowed_units: tuple[int, int]) -> bool:
    smallest, largest = allowed_units
    try:
        return smallest <= type_.units(value) <= largest
    except DefinitionError:
        return False


def _refused(event: dict[str, Any], name: str, allowed: str) -> InvalidEventError:
    return InvalidEventError(f"{name}: got {event[name]!r}; allowed is {allowed}")
