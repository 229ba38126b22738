"""Unit tests of features: what a view makes of a few events, without a JVM or a broker.

Events are mappings, written as a person thinks of them:

- `event_time`, an aware datetime of whole milliseconds, or `event_time_ms`;
- `event_id`, made up from the position in the list when left out, so that of two events at the
  same time the later one in the list is the newer one;
- the fields of the source. One that is left out is null; only nullable fields, and fields that the
  view does not read, may be left out.

A decimal is a `decimal.Decimal`; a timestamp is an aware datetime or milliseconds, and comes back
in milliseconds, as from the stores.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from features.errors import SamestreamError
from features.evaluator import evaluate
from features.fields import Decimal, Field, FieldType, Float64, Int64, TimestampMs
from features.filter import LITERALS
from features.instant import from_ms, to_ms
from features.source import (
    EVENT_ID,
    EVENT_ID_ALLOWED,
    EVENT_TIME,
    EVENT_TIME_MS,
    EventSource,
    is_event_id,
)
from features.view import FeatureView

Event = Mapping[str, Any]


class SampleError(SamestreamError, ValueError):
    """A sample event, request or key that the definitions do not allow."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """The values of a view for one entity, from one window end until the next row.

    Attributes:
        keys: join key values by name.
        window_end: end of the window, exclusive.
        values: value of each feature by name.
    """

    keys: dict[str, Any]
    window_end: datetime
    values: dict[str, Any]


def rows_of(
    view: FeatureView, events: Iterable[Event], *, until: datetime | None = None
) -> list[Row]:
    """Compute every row of a view over sample events, ordered by window end and keys.

    Args:
        view: the definition.
        events: sample events of its source, in any order.
        until: newest window end, inclusive; without it the last rows are those of empty windows.
    """
    sample = sample_events(view.source, events, fields_read(view))
    window = view.window
    entered = [window.first_end_after(event[EVENT_TIME_MS]) for event in sample]
    last_ms = max(entered, default=0) + window.size_ms if until is None else to_ms(until)
    names = [key.name for key in view.join_keys]
    return [
        Row(
            keys=dict(zip(names, row.keys, strict=True)),
            window_end=from_ms(row.window_end_ms),
            values=row.values,
        )
        for row in evaluate(view, sample, last_ms)
    ]


def served(
    view: FeatureView,
    events: Iterable[Event],
    at: datetime,
    /,
    **keys: Any,  # noqa: ANN401 - a value of the join key's type
) -> dict[str, Any]:
    """Return what a request at an instant is served: the features of a view by name.

    That is the newest row with a window end at or before the instant less the lateness of the
    source. All values are null for an entity without such a row, or when a key is None.

    Args:
        view: the definition.
        events: sample events of its source, in any order; those after the instant do not matter.
        at: the time of the request.
        keys: a value for each join key.

    Raises:
        SampleError: An event or a key is not what the source allows.
    """
    names = {key.name for key in view.join_keys}
    if keys.keys() != names:
        msg = f"view {view.name!r}: got the keys {sorted(keys)}; allowed are {sorted(names)}"
        raise SampleError(msg)
    wanted = tuple(
        None if keys[key.name] is None else _checked(f"view {view.name!r}", key, keys[key.name])
        for key in view.join_keys
    )
    sample = sample_events(view.source, events, fields_read(view))
    rows = [row for row in evaluate(view, sample, view.as_of(to_ms(at))) if row.keys == wanted]
    return rows[-1].values if rows else {feature.name: None for feature in view.features}


def fields_read(view: FeatureView) -> frozenset[str]:
    """Names of the columns that the values of a view depend on."""
    filters = [item.where.condition for item in view.aggregations if item.where is not None]
    return frozenset().union(
        view.entity.join_keys,
        *(item.columns() for item in view.aggregations),
        *(condition.columns() for condition in filters),
    )


def sample_events(
    source: EventSource, events: Iterable[Event], needed: Collection[str]
) -> list[dict[str, Any]]:
    """Check sample events of a source and complete them; see `sample_event`."""
    complete = [
        sample_event(source, event, needed, f"event-{position:06}")
        for position, event in enumerate(events, start=1)
    ]
    seen: set[str] = set()
    for event in complete:
        if event[EVENT_ID] in seen:
            msg = (
                f"source {source.name!r}: got the event_id {event[EVENT_ID]!r} twice; allowed is "
                "each once, as intake drops the second one"
            )
            raise SampleError(msg)
        seen.add(event[EVENT_ID])
    return complete


def sample_event(
    source: EventSource, event: Event, needed: Collection[str], default_id: str
) -> dict[str, Any]:
    """Check one sample event and complete it to what the evaluator takes.

    Args:
        source: the source of the event.
        event: see the module.
        needed: fields that must have a value, unless they are nullable.
        default_id: `event_id` if the event has none.
    """
    event_id = event.get(EVENT_ID, default_id)
    where = f"source {source.name!r}, event {event_id!r}"
    names = [field.name for field in source.fields]
    for name in event:
        if name not in (*names, EVENT_ID, EVENT_TIME.name, EVENT_TIME_MS):
            msg = (
                f"{where}: got the field {name!r}; allowed are {EVENT_ID}, {EVENT_TIME.name} or "
                f"{EVENT_TIME_MS}, {', '.join(names)}"
            )
            raise SampleError(msg)
    if not isinstance(event_id, str) or not is_event_id(event_id):
        msg = f"{where}: got {event_id!r}; allowed is {EVENT_ID_ALLOWED}"
        raise SampleError(msg)
    complete = {EVENT_ID: event_id, EVENT_TIME_MS: _event_time_ms(where, event)}
    for field in source.fields:
        value = event.get(field.name)
        if value is not None:
            value = _checked(where, field, value)
        elif not field.nullable and (field.name in needed or field.name in event):
            msg = f"{where}, {field.name}: got no value; the field is not nullable"
            raise SampleError(msg)
        complete[field.name] = value
    return complete


def _event_time_ms(where: str, event: Event) -> int:
    given = [name for name in (EVENT_TIME.name, EVENT_TIME_MS) if name in event]
    if len(given) != 1:
        got = " and ".join(given) or "no event time"
        msg = f"{where}: got {got}; allowed is one of {EVENT_TIME.name} and {EVENT_TIME_MS}"
        raise SampleError(msg)
    instant_ms: int = _checked(where, Field(name=given[0], type=TimestampMs()), event[given[0]])
    if instant_ms < 0:
        msg = f"{where}, {given[0]}: got {event[given[0]]!r}; allowed is 1970 or later"
        raise SampleError(msg)
    return instant_ms


def _checked(where: str, field: Field, value: Any) -> Any:  # noqa: ANN401
    """Return the value of a field as the evaluator takes it."""
    type_ = field.type
    is_value, wanted = LITERALS[type(type_)]
    if isinstance(type_, TimestampMs):
        wanted = f"{wanted}, or milliseconds"
        if LITERALS[Int64][0](type_, value):
            return value
    if not is_value(type_, value):
        msg = f"{where}, {field.name}: got {value!r}; allowed is {wanted} ({type_.word})"
        raise SampleError(msg)
    lowest, highest = _range(type_)
    if not (lowest is None or lowest <= value) or not (highest is None or value <= highest):
        msg = f"{where}, {field.name}: got {value!r}; allowed is {lowest} to {highest}"
        raise SampleError(msg)
    match type_:
        case TimestampMs():
            return to_ms(value)
        case Float64():
            return float(value) + 0.0  # intake turns -0.0 into 0.0 as well
    return value


def _range(type_: FieldType) -> tuple[Any, Any]:
    match type_:
        case Int64():
            return type_.minimum, type_.maximum
        case Decimal():
            lowest, highest = type_.range_units
            return type_.from_units(lowest), type_.from_units(highest)
    return None, None
