"""`samestream backfill`: what was read, what was written, how fast."""

import logging
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from features.definitions import Definitions, load_definitions
from features.instant import from_ms
from streaming.console import Console
from streaming.flink.backfill import BackfillReport, run_backfill
from streaming.flink.backfill_files import FilesReport, HistoryError, run_files_backfill
from streaming.flink.backfill_table import show_speed
from streaming.flink.horizon import capture_end_offsets
from streaming.flink.job import sources_of
from streaming.settings import Settings


def backfill(
    settings: Settings, histories: Sequence[str], until: str | None, out_dir: Path
) -> None:
    """Replace the offline rows of every view, from files or from the validated log; print figures.

    Args:
        settings: definitions; where Kafka is, unless there are histories.
        histories: `SOURCE=GLOB` each; none reads the validated log as it is now.
        until: the files hold everything before this instant (ISO 8601, with a time zone).
        out_dir: root of the offline store.

    Raises:
        SamestreamError: Nothing was written.
    """
    # Beam, within PyFlink, warns of file systems that it does not find.
    logging.getLogger("apache_beam").setLevel(logging.ERROR)
    definitions = load_definitions(settings.definitions)
    if histories:
        by_source = _by_source(histories)
        end = None if until is None else _instant(until)
        report = run_files_backfill(settings, definitions.views, by_source, end, out_dir)
        _show_files(Console(), definitions, report)
    elif until is None:
        sources = sources_of(definitions.views)
        ends = capture_end_offsets(settings.kafka, sources)
        _show_log(Console(), run_backfill(settings, definitions.views, ends, out_dir))
    else:
        msg = f"--until: got {until} without --history; the log has a horizon of its own"
        raise HistoryError(msg)


def _by_source(histories: Sequence[str]) -> dict[str, list[str]]:
    by_source: dict[str, list[str]] = defaultdict(list)
    for history in histories:
        source, separator, pattern = history.partition("=")
        if not (source and separator and pattern):
            msg = f"--history: got {history!r}; allowed is SOURCE=GLOB"
            raise HistoryError(msg)
        by_source[source].append(pattern)
    return by_source


def _instant(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        msg = f"--until: got {text!r}; allowed is an instant such as 2014-01-01T00:00:00Z"
        raise HistoryError(msg) from error


def _show_files(console: Console, definitions: Definitions, report: FilesReport) -> None:
    console.table(
        ("source", "read", "accepted", "duplicates", "refused", "final until (UTC)"),
        [
            (
                name,
                *(f"{n:,}" for n in (log.read, log.accepted, log.duplicates, log.refused)),
                _shown(report.backfill.horizon_ms[name]),
            )
            for name, log in report.sources.items()
        ],
    )
    for name, log in report.sources.items():
        for reason in log.reasons:
            console.say(f"   {name} refused {reason}")
    events = {name: log.read for name, log in report.sources.items()}
    console.say()
    show_speed(console, definitions.views, report.backfill.rows, events, report.backfill.seconds)


def _show_log(console: Console, report: BackfillReport) -> None:
    console.table(
        ("source", "final until (UTC)"),
        [(name, _shown(horizon_ms)) for name, horizon_ms in report.horizon_ms.items()],
    )
    console.say()
    console.table(
        ("feature view", "rows", "rows/s"),
        [
            (name, f"{rows:,}", f"{rows / report.seconds:,.0f}")
            for name, rows in report.rows.items()
        ],
    )
    console.say()
    console.say(_rows(report))


def _rows(report: BackfillReport) -> str:
    rows = sum(report.rows.values())
    return (
        f"{rows:,} rows ({rows / report.seconds:,.0f}/s) of {len(report.rows)} views in "
        f"{report.seconds:.1f} s"
    )


def _shown(epoch_ms: int) -> str:
    return f"{from_ms(epoch_ms):%Y-%m-%d %H:%M:%S}"
