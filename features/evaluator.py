"""The plain evaluator: what a feature view means, written to be obviously right, not fast."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from features.aggregation import Aggregation, ColumnAggregation, Count, Last, Mean, Sum
from features.source import EVENT_ID, EVENT_TIME, EVENT_TIME_MS
from features.view import FeatureView

Event = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class FeatureRow:
    """The values of a view for one entity, from one window end until the next row.

    Attributes:
        keys: join key values, in the order of the view's join keys.
        window_end_ms: end of the window, exclusive, milliseconds.
        values: value of each feature by name.
    """

    keys: tuple[Any, ...]
    window_end_ms: int
    values: dict[str, Any]


def evaluate(view: FeatureView, events: Iterable[Event], until_ms: int) -> list[FeatureRow]:
    """Compute every row of a view over accepted events, up to a window end (inclusive).

    Args:
        view: the definition.
        events: mappings with `event_id`, `event_time_ms` and the fields of the source.
        until_ms: newest window end to compute, milliseconds.

    Returns:
        A row per entity and window end at which an event entered or left, ordered by window end
        and keys.
    """
    window = view.window
    by_entity: dict[tuple[Any, ...], list[Event]] = defaultdict(list)
    for event in events:
        keys = tuple(event[key.name] for key in view.join_keys)
        if None not in keys:
            by_entity[keys].append(event)
    rows = []
    for keys, own in by_entity.items():
        ends = set()
        for event in own:
            entered = window.first_end_after(event[EVENT_TIME_MS])
            ends |= {entered, entered + window.size_ms}
        for end in ends:
            if end <= until_ms:
                inside = [e for e in own if end - window.size_ms <= e[EVENT_TIME_MS] < end]
                rows.append(FeatureRow(keys=keys, window_end_ms=end, values=_values(view, inside)))
    return sorted(rows, key=lambda row: (row.window_end_ms, row.keys))


def _values(view: FeatureView, inside: list[Event]) -> dict[str, Any]:
    return {
        feature.name: _aggregate(aggregation, inside)
        for feature, aggregation in zip(view.features, view.aggregations, strict=True)
    }


def _aggregate(aggregation: Aggregation, inside: list[Event]) -> Any:  # noqa: ANN401
    if isinstance(aggregation, Count):
        return len(inside)
    assert isinstance(aggregation, ColumnAggregation)  # noqa: S101 - narrows the type
    ordered = sorted(inside, key=lambda event: (event[EVENT_TIME_MS], event[EVENT_ID]))
    column = [_column_value(event, aggregation.column) for event in ordered]
    return _OVER_VALUES[type(aggregation)]([value for value in column if value is not None])


def _column_value(event: Event, column: str) -> Any:  # noqa: ANN401
    return event[EVENT_TIME_MS] if column == EVENT_TIME.name else event[column]


def _mean(values: list[int]) -> float | None:
    return sum(values) / len(values) if values else None


def _last(values: list[Any]) -> Any:  # noqa: ANN401
    return values[-1] if values else None


_OVER_VALUES: dict[type[Aggregation], Callable[[list[Any]], Any]] = {
    Sum: sum,
    Mean: _mean,
    Last: _last,
}
