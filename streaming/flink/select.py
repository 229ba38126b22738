"""The SELECT of a feature view: the same text for the live job and for history.

```
moves     an event enters at its time and leaves one window size later
slices    moves of one entity within one slide, merged
distinct  only to count distinct values: slices in which a value is new or leaves for good
changes   running values per entity: a row at each window end at which something moved
progress  number of changes with a key at each window end
```
"""

from features.fingerprint import view_fingerprint
from features.source import EVENT_ID
from features.view import FeatureView
from streaming.flink.aggregations import Compiled, Distinct, Running, compile_aggregation
from streaming.flink.sql import columns, interval, literal, quoted
from streaming.flink.tables import (
    MOVE_SIGN,
    MOVE_TIME,
    MOVE_TIME_MS,
    SLICE_TIME,
    WINDOW_END_MS,
    all_slices_view,
    changes_view,
    distinct_view,
    enter_table,
    leave_table,
    moves_view,
    parts_view,
    slices_view,
)


def view_statements(view: FeatureView) -> tuple[str, ...]:
    """Statements that create moves, slices and changes of a view, in order."""
    distinct = _distinct(view)
    if not distinct:
        return (_moves(view), _slices(view), _changes(view, slices_view(view)))
    return (
        _moves(view),
        _slices(view),
        *(_distinct_slices(view, each) for each in distinct),
        _parts(view, distinct),
        _all_slices(view),
        _changes(view, all_slices_view(view)),
    )


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


def _compiled(view: FeatureView) -> list[Compiled]:
    return [compile_aggregation(view, aggregation) for aggregation in view.aggregations]


def _running(view: FeatureView) -> list[Running]:
    """Return the running columns of a view, one for all the aggregations that share it."""
    running = [each for compiled in _compiled(view) for each in compiled.running]
    return list({each.name: each for each in running}.values())


def _distinct(view: FeatureView) -> list[Distinct]:
    return [each.distinct for each in _compiled(view) if each.distinct is not None]


def _keys(view: FeatureView) -> str:
    return columns(key.name for key in view.join_keys)


def _moves(view: FeatureView) -> str:
    """An event needs every key part; a heartbeat has none and only enters."""
    with_keys = " AND ".join(f"{quoted(key.name)} IS NOT NULL" for key in view.join_keys)
    is_event = f"{quoted(EVENT_ID)} IS NOT NULL AND {with_keys}"
    heartbeat = f"{quoted(EVENT_ID)} IS NULL"
    values = [(each.value, each.name) for each in _distinct(view)]
    signs = [[(f"CAST({sign} AS BIGINT)", MOVE_SIGN)] * bool(values) for sign in (1, -1)]
    enter = _move(view, [(each.enter, each.name) for each in _running(view)] + values + signs[0])
    leave = _move(view, [(each.leave, each.name) for each in _running(view)] + values + signs[1])
    return _create(
        moves_view(view),
        f"{enter}\n"
        f"FROM {quoted(enter_table(view.source))}\n"
        f"WHERE ({is_event}) OR {heartbeat}\n"
        "UNION ALL\n"
        f"{leave}\n"
        f"FROM {quoted(leave_table(view.source, view.window.size_ms))}\n"
        f"WHERE {is_event}",
    )


def _move(view: FeatureView, expressions: list[tuple[str, str]]) -> str:
    return _lines(
        f"SELECT {_keys(view)}, {quoted(MOVE_TIME)}, {quoted(MOVE_TIME_MS)}",
        [f"  {expression} AS {quoted(name)}" for expression, name in expressions],
    )


def _slices(view: FeatureView) -> str:
    tumble = _tumble(view, moves_view(view), MOVE_TIME)
    return _create(slices_view(view), _merged(view, _window_end_ms(view), tumble))


def _distinct_slices(view: FeatureView, distinct: Distinct) -> str:
    """A value is new when its first event enters, and leaves for good with its last one."""
    keys, value = _keys(view), quoted(distinct.name)
    ends = f"{quoted(SLICE_TIME)}, {quoted(WINDOW_END_MS)}"
    moved, present = quoted(f"{distinct.name}__moved"), quoted(f"{distinct.name}__present")
    slices = _indented(
        f"{_slice_head(view)}, {value},\n"
        f"  {_window_end_ms(view)} AS {quoted(WINDOW_END_MS)},\n"
        f"  SUM({quoted(MOVE_SIGN)}) AS {moved}\n"
        f"FROM TABLE({_tumble(view, moves_view(view), MOVE_TIME)})\n"
        f"WHERE {value} IS NOT NULL\n"
        f"{_group_by(view)}, {value}"
    )
    counted = _indented(
        f"SELECT {keys}, {ends}, {moved}, SUM({moved}) OVER w AS {present}\n"
        f"FROM (\n{slices}\n)\n"
        f"{_history(f'{keys}, {value}')}"
    )
    return _create(
        distinct_view(view, distinct.name),
        f"SELECT {keys}, {ends},\n"
        f"  CASE WHEN {present} > 0 AND {present} = {moved} THEN CAST(1 AS BIGINT)\n"
        f"    WHEN {present} = 0 AND {moved} < 0 THEN CAST(-1 AS BIGINT)\n"
        f"    ELSE CAST(0 AS BIGINT) END AS {quoted(distinct.changes)}\n"
        f"FROM (\n{counted}\n)",
    )


def _parts(view: FeatureView, distinct: list[Distinct]) -> str:
    """The slices of moves, and those of distinct values, which change nothing else."""
    parts = [_part(view, slices_view(view), [quoted(each.name) for each in _running(view)])]
    for counted in distinct:
        values = [
            quoted(each.name)
            if each.name == counted.changes
            else f"{each.neutral} AS {quoted(each.name)}"
            for each in _running(view)
        ]
        parts.append(_part(view, distinct_view(view, counted.name), values))
    return _create(parts_view(view), "\nUNION ALL\n".join(parts))


def _part(view: FeatureView, slices: str, values: list[str]) -> str:
    head = f"SELECT {_keys(view)}, {quoted(SLICE_TIME)}, {quoted(WINDOW_END_MS)}"
    return f"{_lines(head, [f'  {value}' for value in values])}\nFROM {quoted(slices)}"


def _all_slices(view: FeatureView) -> str:
    tumble = _tumble(view, parts_view(view), SLICE_TIME)
    return _create(all_slices_view(view), _merged(view, f"MAX({quoted(WINDOW_END_MS)})", tumble))


def _changes(view: FeatureView, slices: str) -> str:
    """Run over the slices; a SELECT takes one kind of OVER window, so the two are nested."""
    keys = _keys(view)
    head = f"SELECT {keys}, {quoted(SLICE_TIME)}, {quoted(WINDOW_END_MS)}"
    of_history = [each for each in _running(view) if each.over == "history"]
    of_window = [each for each in _running(view) if each.over == "window"]
    rows = quoted(slices)
    if of_history:
        columns_ = [f"  {quoted(each.name)}" for each in of_window]
        columns_ += [f"  {_over(each, 'w')}" for each in of_history]
        select = f"{_lines(head, columns_)}\nFROM {rows}\n{_history(keys)}"
        rows = f"(\n{_indented(select)}\n)"
    if of_window:
        columns_ = [f"  {quoted(each.name)}" for each in of_history]
        columns_ += [f"  {_over(each, 'w')}" for each in of_window]
        select = f"{_lines(head, columns_)}\nFROM {rows}\n{_window(view, keys)}"
        rows = f"(\n{_indented(select)}\n)"
    values = [
        f"  {compiled.value} AS {quoted(feature.name)}"
        for feature, compiled in zip(view.features, _compiled(view), strict=True)
    ]
    return _create(changes_view(view), f"{_lines(head, values)}\nFROM {rows}")


def _create(name: str, select: str) -> str:
    return f"CREATE TEMPORARY VIEW {quoted(name)} AS\n{select}"


def _slice_head(view: FeatureView) -> str:
    return f"SELECT {_keys(view)}, `window_time` AS {quoted(SLICE_TIME)}"


def _merged(view: FeatureView, window_end: str, tumble: str) -> str:
    """Merge what the windows of one slide hold for an entity."""
    merged = [
        f"{each.merge}({quoted(each.name)}) AS {quoted(each.name)}" for each in _running(view)
    ]
    values = [f"  {value}" for value in (f"{window_end} AS {quoted(WINDOW_END_MS)}", *merged)]
    return f"{_lines(_slice_head(view), values)}\nFROM TABLE({tumble})\n{_group_by(view)}"


def _group_by(view: FeatureView) -> str:
    return f"GROUP BY `window_start`, `window_end`, `window_time`, {_keys(view)}"


def _over(running: Running, window: str) -> str:
    return f"{running.merge}({quoted(running.name)}) OVER {window} AS {quoted(running.name)}"


def _history(keys: str) -> str:
    return _over_window(keys, "ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW")


def _window(view: FeatureView, keys: str) -> str:
    """All slices of the window that ends with the current one."""
    before = interval(view.window.size_ms - view.window.slide_ms)
    return _over_window(keys, f"RANGE BETWEEN {before} PRECEDING AND CURRENT ROW")


def _over_window(keys: str, bounds: str) -> str:
    return f"WINDOW w AS (\n  PARTITION BY {keys} ORDER BY {quoted(SLICE_TIME)}\n  {bounds}\n)"


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.split("\n"))


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
