"""`samestream flights-reference` on a few days: its sums are those of a loop over the events."""

from bisect import bisect_left
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from features.examples.flights.history import FlightsHistory, read_history
from features.instant import to_ms
from features.view import FeatureView
from streaming.console import Console
from streaming.demo.plan import new_york
from streaming.reference.definitions import VIEWS
from streaming.reference.given import checks
from streaming.reference.run import Range, measure
from streaming.reference.show import show
from streaming.settings import Settings

pytestmark = pytest.mark.flink

DAYS = Range(until=datetime(2013, 1, 6, tzinfo=UTC), test_from=new_york(2013, 1, 4))


def sums_by_hand(view: FeatureView, history: FlightsHistory, until_ms: int) -> dict[str, Any]:
    """Sums over all labelled requests of what their windows hold, from the events alone."""
    delay = {"departures": "dep_delay", "arrivals": "arr_delay"}.get(view.source.name)
    entities: dict[tuple[Any, ...], list[tuple[int, int, int]]] = defaultdict(list)
    for event in history.events(view.source.name, end_ms=until_ms):
        keys = tuple(event[key] for key in view.entity.join_keys)
        figures = (event[delay], int(event["late"])) if delay else (0, 0)
        entities[keys].append((event["event_time_ms"], *figures))
    labelled = {event["event_id"] for event in history.events("departures", end_ms=until_ms)}
    count = empty = delays = late = 0
    for request in history.events("boardings", end_ms=until_ms):
        if request["event_id"] not in labelled:
            continue
        end = view.as_of(request["event_time_ms"])
        keys = tuple(request[key] for key in view.entity.join_keys)
        own = entities.get(keys, []) if None not in keys else []
        inside = own[bisect_left(own, (end - view.window.size_ms,)) : bisect_left(own, (end,))]
        count += len(inside)
        empty += not inside
        delays += sum(event[1] for event in inside)
        late += sum(event[2] for event in inside)
    return {
        "sum_of_counts": count,
        "empty": empty,
        "sum_of_delays": delays if delay else None,
        "sum_of_late": late if delay else None,
    }


def test_a_few_days(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = measure(Settings(state_dir=tmp_path), DAYS, Console())

    history, until_ms = read_history(), to_ms(DAYS.until)
    assert set(report["views"]) == {view.name for view in VIEWS}
    for view in VIEWS:
        assert report["views"][view.name] == sums_by_hand(view, history, until_ms), view.name
    assert report["scanned"] == report["events"]
    assert report["events"] == {
        name: len(list(history.events(name, end_ms=until_ms)))
        for name in ("arrivals", "boardings", "departures")
    }
    assert set(report["metrics"]) == {"on_demand", "batch", "streaming", "all"}
    found = checks(report)
    show(Console(), report, found)
    printed = capsys.readouterr().out
    # A few days are not the year: every sum misses, and the table says so.
    assert all(not check.passed for check in found if "sum_of_counts" in check.name)
    assert printed.count("MISSED") == sum(not check.passed for check in found)
    assert not list((tmp_path / "pids").glob("*.pid"))
