"""The tables of `samestream flights-reference`."""

from collections.abc import Sequence
from typing import Any

from streaming.console import Console
from streaming.demo.memory import peak_text
from streaming.flink.backfill_table import show_speed
from streaming.reference.definitions import VIEWS
from streaming.reference.given import Check


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
    scanned = report["scan_seconds"]
    console.say()
    show_speed(console, VIEWS, rows, report["events"], seconds)
    console.say(
        f"Flink alone counts the same events in {scanned:.1f} s; the backfill takes "
        f"{seconds / scanned:.1f} times as long (both with the start of the JVM)"
    )
    console.say(peak_text(report["at_peak"]))
