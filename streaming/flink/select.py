"""The SELECT of a feature view: the same text for the live job and for history.

```
moves     an event enters at its time and leaves one window size later
slices    moves of one entity within one slide, merged
changes   running values per entity: a row at each window end at which something moved
progress  number of changes with a key at each window end
```
"""

from features.fingerprint import view_fingerprint
from features.source import EVENT_ID
from features.view import FeatureView
from streaming.flink.aggregations import Running, compile_aggregation
from streaming.flink.sql import columns, interval, literal, quoted
from streaming.flink.tables import (
    MOVE_TIME,
    MOVE_TIME_MS,
    SLICE_TIME,
    WINDOW_END_MS,
    changes_view,
    enter_table,
    leave_table,
    moves_view,
    slices_view,
)


def view_statements(view: FeatureView) -> tuple[str, ...]:
    """Statements that create moves, slices and changes of a view, in order."""
    return (_moves(view), _slices(view), _changes(view))


def select_rows(view: FeatureView, *, until_ms: int | None = None) -> str:
    """Return the rows of a view, in the order of the columns of its feature topic.

    Args:
        view: the view.
        until_ms: newest window end (inclusive), milliseconds; None is every row.
    """
    names = [key.name for key in view.join_keys]
    names += [WINDOW_END_MS, *(feature.name for feature in view.features)]
    until = "" if until_ms is None else f"\n  AND {quoted(WINDOW_END_MS)} <= {until_ms}"
    return (
        f"SELECT {columns(names)}\n"
        f"FROM {quoted(changes_view(view))}\n"
        f"WHERE {quoted(view.join_keys[0].name)} IS NOT NULL{until}"
    )


def select_progress(view: FeatureView) -> str:
    """Return the number of rows with a key at each window end, 0 included, in ascending order."""
    key = quoted(view.join_keys[0].name)
    return (
        f"SELECT CAST({literal(view.name)} AS STRING) AS `view`,\n"
        f"  CAST({literal(view_fingerprint(view))} AS STRING) AS `fingerprint`,\n"
        f"  MAX({quoted(WINDOW_END_MS)}) AS {quoted(WINDOW_END_MS)},\n"
        f"  COUNT(*) FILTER (WHERE {key} IS NOT NULL) AS `row_count`\n"
        f"FROM TABLE({_tumble(view, changes_view(view), SLICE_TIME)})\n"
        "GROUP BY `window_start`, `window_end`"
    )


def _running(view: FeatureView) -> list[Running]:
    by_name = {
        running.name: running
        for aggregation in view.aggregations
        for running in compile_aggregation(view, aggregation).running
    }
    return list(by_name.values())


def _keys(view: FeatureView) -> str:
    return columns(key.name for key in view.join_keys)


def _moves(view: FeatureView) -> str:
    """An event needs every key part; a heartbeat has none and only enters."""
    with_keys = " AND ".join(f"{quoted(key.name)} IS NOT NULL" for key in view.join_keys)
    is_event = f"{quoted(EVENT_ID)} IS NOT NULL AND {with_keys}"
    heartbeat = f"{quoted(EVENT_ID)} IS NULL"
    enter = _move(view, [(running.enter, running.name) for running in _running(view)])
    leave = _move(view, [(running.leave, running.name) for running in _running(view)])
    return (
        f"CREATE TEMPORARY VIEW {quoted(moves_view(view))} AS\n"
        f"{enter}\n"
        f"FROM {quoted(enter_table(view.source))}\n"
        f"WHERE ({is_event}) OR {heartbeat}\n"
        "UNION ALL\n"
        f"{leave}\n"
        f"FROM {quoted(leave_table(view.source, view.window.size_ms))}\n"
        f"WHERE {is_event}"
    )


def _move(view: FeatureView, expressions: list[tuple[str, str]]) -> str:
    return _lines(
        f"SELECT {_keys(view)}, {quoted(MOVE_TIME)}, {quoted(MOVE_TIME_MS)}",
        [f"  {expression} AS {quoted(name)}" for expression, name in expressions],
    )


def _slices(view: FeatureView) -> str:
    head = f"SELECT {_keys(view)}, `window_time` AS {quoted(SLICE_TIME)}"
    window_end = f"  {_window_end_ms(view)} AS {quoted(WINDOW_END_MS)}"
    merged = [
        f"  {running.merge}({quoted(running.name)}) AS {quoted(running.name)}"
        for running in _running(view)
    ]
    return (
        f"CREATE TEMPORARY VIEW {quoted(slices_view(view))} AS\n"
        f"{_lines(head, [window_end, *merged])}\n"
        f"FROM TABLE({_tumble(view, moves_view(view), MOVE_TIME)})\n"
        f"GROUP BY `window_start`, `window_end`, `window_time`, {_keys(view)}"
    )


def _changes(view: FeatureView) -> str:
    running = [
        f"    {running.merge}({quoted(running.name)}) OVER w AS {quoted(running.name)}"
        for running in _running(view)
    ]
    values = [
        f"  {compile_aggregation(view, aggregation).value} AS {quoted(feature.name)}"
        for feature, aggregation in zip(view.features, view.aggregations, strict=True)
    ]
    keys = _keys(view)
    ends = f"{quoted(SLICE_TIME)}, {quoted(WINDOW_END_MS)}"
    head = f"SELECT {keys}, {ends}"
    over = (
        f"  {_lines(head, running)}\n"
        f"  FROM {quoted(slices_view(view))}\n"
        "  WINDOW w AS (\n"
        f"    PARTITION BY {keys} ORDER BY {quoted(SLICE_TIME)}\n"
        "    ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW\n"
        "  )"
    )
    return (
        f"CREATE TEMPORARY VIEW {quoted(changes_view(view))} AS\n"
        f"{_lines(head, values)}\n"
        f"FROM (\n{over}\n)"
    )


def _lines(first: str, rest: list[str]) -> str:
    return ",\n".join([first, *rest])


def _tumble(view: FeatureView, table: str, time: str) -> str:
    slide = interval(view.window.slide_ms)
    return f"TUMBLE(TABLE {quoted(table)}, DESCRIPTOR({quoted(time)}), {slide})"


def _window_end_ms(view: FeatureView) -> str:
    """All moves of a slice give the same window end; event times are not negative."""
    slide = view.window.slide_ms
    time = f"MAX({quoted(MOVE_TIME_MS)})"
    return f"{time} - MOD({time}, {slide}) + {slide}"
