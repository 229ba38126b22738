"""Backfill from files: the rows of history without a broker."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from features.errors import SamestreamError
from features.instant import to_ms
from features.source import EventSource
from features.view import FeatureView
from streaming.flink.backfill import BackfillReport, backfill_environment, write_rows
from streaming.flink.history_scan import history_scan_tables
from streaming.flink.horizon import HorizonError
from streaming.flink.job import create_views_over, sources_of
from streaming.flink.offline_files import working_directory
from streaming.intake.history_log import HistoryLog, HistoryRequest
from streaming.intake.history_workers import HistoryWorkers
from streaming.settings import Settings

_SORT_MEMORY_MB = 1024


class HistoryError(SamestreamError, ValueError):
    """Histories that do not fit the views, or an end that they cannot have."""


@dataclass(frozen=True, kw_only=True)
class FilesReport:
    """What a backfill from files came to.

    Attributes:
        backfill: what it wrote.
        sources: what became of the events, of each source by its name.
    """

    backfill: BackfillReport
    sources: Mapping[str, HistoryLog]


def run_files_backfill(
    settings: Settings,
    views: Iterable[FeatureView],
    histories: Mapping[str, Sequence[str]],
    until: datetime | None,
    out_dir: Path,
) -> FilesReport:
    """Replace the offline rows of the views by those of the history in files.

    The rows are those of a log into which the same files are imported. A run that fails before its
    end leaves everything as it was.

    Args:
        settings: partitions of the log that the files stand for, heap size, jars.
        views: the views to compute.
        histories: globs or directories of Parquet and CSV files, by the name of their source.
        until: the files hold every event before this instant, and no later one counts; without it
            everything before the newest event of each source.
        out_dir: root of the offline store.

    Raises:
        HistoryError: A source without history, or with one that no view reads.
        HistoryFileError: The files cannot be read.
        HorizonError: No event is accepted.
        JobFailedError: Flink could not finish.
        OfflineDirectoryError: Another backfill is writing to the offline store.
    """
    started = time.monotonic()
    views = tuple(views)
    sources = sources_of(views)
    end_ms = None if until is None else _end_ms(until)
    _check_sources(sources, histories)
    with working_directory(out_dir) as directory:
        requests = [
            HistoryRequest(
                source=source,
                patterns=histories[source.name],
                slides_ms=sorted({v.window.slide_ms for v in views if v.source == source}),
                partitions=settings.partitions,
                end_ms=end_ms,
                memory_mb=_SORT_MEMORY_MB,
                spill_dir=directory / f"{source.name}.spill",
                log=_log(directory, source),
            )
            for source in sources
        ]
        # Bad history shall not have to wait for a JVM.
        for request in requests:
            with request.files() as files:
                files.check()
        with HistoryWorkers(requests) as workers:
            environment = backfill_environment(settings)
            create_views_over(
                environment,
                views,
                lambda source, sizes_ms: history_scan_tables(
                    source, sizes_ms, _log(directory, source)
                ),
            )
            logs = workers.logs()
        horizons = {source.name: _horizon_ms(source, logs[source.name]) for source in sources}
        rows = write_rows(environment, views, horizons, directory, out_dir)
    seconds = time.monotonic() - started
    return FilesReport(
        backfill=BackfillReport(rows=rows, horizon_ms=horizons, seconds=seconds), sources=logs
    )


def _log(directory: Path, source: EventSource) -> Path:
    return directory / f"{source.name}.avro"


def _check_sources(sources: Sequence[EventSource], histories: Mapping[str, object]) -> None:
    needed = [source.name for source in sources]
    for name in histories:
        if name not in needed:
            msg = f"history: got source {name!r}; the views read {', '.join(needed)}"
            raise HistoryError(msg)
    missing = [name for name in needed if name not in histories]
    if missing:
        msg = f"history: got none of {', '.join(missing)}; the views read {', '.join(needed)}"
        raise HistoryError(msg)


def _end_ms(until: datetime) -> int:
    end_ms, now_ms = to_ms(until), time.time_ns() // 1_000_000
    if end_ms > now_ms:
        msg = f"history: got the end {until.isoformat()}; allowed is up to now, as more may happen"
        raise HistoryError(msg)
    return end_ms


def _horizon_ms(source: EventSource, log: HistoryLog) -> int:
    if log.newest_ms is None:
        msg = f"history of {source.name}: got no event that is accepted; nothing is final"
        raise HorizonError(msg)
    return log.newest_ms - source.lateness_ms
