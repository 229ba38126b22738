"""Backfill: the rows of history, by a bounded run of the live SELECT over the validated log."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pyflink.table import TableEnvironment

from features.view import FeatureView
from streaming.flink.ddl import history_sink
from streaming.flink.environment import create_environment
from streaming.flink.failures import job_failures
from streaming.flink.horizon import EndOffsets, horizon_ms
from streaming.flink.job import check_logs, create_views, sources_of
from streaming.flink.offline_files import publish, working_directory
from streaming.flink.select import select_rows
from streaming.flink.sql import quoted
from streaming.flink.tables import history_table
from streaming.settings import Settings


@dataclass(frozen=True, kw_only=True)
class BackfillReport:
    """What a backfill wrote.

    Attributes:
        rows: offline rows of each view, by its name.
        horizon_ms: newest instant whose windows are final, of each source by its name.
        seconds: wall clock of the whole run.
    """

    rows: dict[str, int]
    horizon_ms: dict[str, int]
    seconds: float


def run_backfill(
    settings: Settings, views: Iterable[FeatureView], end_offsets: EndOffsets, out_dir: Path
) -> BackfillReport:
    """Replace the offline rows of the views by those of the log below the end offsets.

    The rows of each view, in `<view>-<fingerprint>` of `out_dir`, are replaced at the end; a run
    that fails before leaves everything as it was.

    Args:
        settings: Kafka's address, heap size, jars.
        views: the views to compute.
        end_offsets: end offset (exclusive) by source name and partition, of the log with which
            all views shall agree.
        out_dir: root of the offline store.

    Raises:
        TopicError: A log is missing, has another number of partitions or no beginning.
        HorizonError: A partition has no event.
        JobFailedError: Flink could not finish.
        OfflineDirectoryError: Another backfill is writing to the offline store.
    """
    started = time.monotonic()
    views = tuple(views)
    check_logs(settings, views)
    horizons = {
        source.name: horizon_ms(settings.kafka, source, end_offsets[source.name])
        for source in sources_of(views)
    }
    with working_directory(out_dir) as directory:
        environment = backfill_environment(settings)
        create_views(environment, settings, views, end_offsets=end_offsets)
        rows = write_rows(environment, views, horizons, directory, out_dir)
    return BackfillReport(rows=rows, horizon_ms=horizons, seconds=time.monotonic() - started)


def backfill_environment(settings: Settings) -> TableEnvironment:
    """Create the table environment of a backfill; the first call of a process starts its JVM."""
    return create_environment(
        settings,
        {"restart-strategy.type": "none"},
        log_dir=settings.state_dir / "logs" / "backfill",
    )


def write_rows(
    environment: TableEnvironment,
    views: Sequence[FeatureView],
    horizons_ms: Mapping[str, int],
    directory: Path,
    out_dir: Path,
) -> dict[str, int]:
    """Run the bounded job and replace the offline rows of the views; return their numbers by name.

    Args:
        environment: holds the scans and the SELECT of every view.
        views: the views to compute.
        horizons_ms: newest window end to write, milliseconds, of each source by its name.
        directory: for the job's files; absolute, on the file system of `out_dir`.
        out_dir: root of the offline store.

    Raises:
        JobFailedError: Flink could not finish.
    """
    inserts = environment.create_statement_set()
    for view in views:
        environment.execute_sql(history_sink(view, directory / view.name))
        rows = select_rows(view, until_ms=horizons_ms[view.source.name])
        inserts.add_insert_sql(f"INSERT INTO {quoted(history_table(view))}\n{rows}")
    with job_failures("backfill"):
        inserts.execute().wait()
    return publish(views, directory, out_dir, horizons_ms)
