"""The tables of `samestream flights-reference`."""

from collections.abc import Sequence
from typing import Any

from streaming.console import Console
from streaming.reference.definitions import VIEWS
from streaming.reference.given import Check

_GIB = 1024**3


def show(console: Console, report: dict[str, Any], found: Sequence[Check]) -> None:
    """Print what was measured, how fast, and how it compares with what is given."""
    _show_backfill(console, report)
    console.say()
    views = report["views"]
    console.table(
        ("measured over all requests", "counts", "empty", "delays", "late"),
        [
            (name, *("" if value is None else f"{value:,}" for value in figures.values()))
            for name, figures in views.items()
        ],
    )
    console.say()
    console.table(
        ("figure", "given", "measured", ""),
        [
            (check.name, check.given, check.measured, "" if check.passed else "MISSED")
            for check in found
        ],
    )
    missed = sum(not check.passed for check in found)
    console.say()
    console.say(f"{len(found) - missed} of {len(found)} figures agree")


def _show_backfill(console: Console, report: dict[str, Any]) -> None:
    rows, seconds = report["backfill"]["rows"], report["backfill"]["seconds"]
    events = report["events"]
    console.say()
    console.table(
        ("feature view", "rows", "rows/s", "events/s"),
        [
            (
                view.name,
                f"{rows[view.name]:,}",
                f"{rows[view.name] / seconds:,.0f}",
                f"{events[view.source.name] / seconds:,.0f}",
            )
            for view in VIEWS
        ],
    )
    total, scanned = sum(events.values()), report["scan_seconds"]
    parts = sorted(report["at_peak"].items(), key=lambda part: -part[1])
    shown = ", ".join(f"{name} {used / _GIB:.2f}" for name, used in parts if used)
    console.say()
    console.say(
        f"Backfill: {total:,} events, {sum(rows.values()):,} rows in {seconds:.1f} s: "
        f"{total / seconds:,.0f} events/s, {sum(rows.values()) / seconds:,.0f} rows/s"
    )
    console.say(
        f"Flink alone counts the same events in {scanned:.1f} s; the backfill takes "
        f"{seconds / scanned:.1f} times as long (both with the start of the JVM)"
    )
    console.say(f"Resident memory at its peak: {report['peak_bytes'] / _GIB:.2f} GiB ({shown})")
