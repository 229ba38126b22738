"""Run as a process: a bounded job over a secured broker, then jobs that must be refused.

Settings come from the environment. Prints a JSON object a line: first the report of the backfill,
then the failure of each job of `refused`, for which it waits for a line of standard input.
"""

import json
import sys
import time

from flink_streams import definitions

from features.source import EVENT_TIME_MS, EventSource
from features.view import FeatureView
from streaming.flink.backfill import backfill_environment, run_backfill
from streaming.flink.ddl import feature_sink, scan_tables
from streaming.flink.failures import JobFailedError, job_failures
from streaming.flink.horizon import EndOffsets, capture_end_offsets
from streaming.flink.job import create_views
from streaming.flink.jvm import JvmError
from streaming.flink.select import select_rows
from streaming.flink.sql import quoted
from streaming.flink.tables import enter_table, rows_table
from streaming.logs import configure_logs
from streaming.settings import Settings


def write_topic(settings: Settings, view: FeatureView, ends: EndOffsets, until_ms: int) -> None:
    """Write the rows of a view to its feature topic, as the live job does."""
    environment = backfill_environment(settings)
    create_views(environment, settings, [view], end_offsets=ends)
    environment.execute_sql(feature_sink(view, kafka=settings.kafka))
    rows = select_rows(view, until_ms=until_ms)
    with job_failures("topic"):
        environment.execute_sql(f"INSERT INTO {quoted(rows_table(view))}\n{rows}").wait()


def failure(settings: Settings, source: EventSource, ends: EndOffsets) -> str:
    """Read the log by Flink alone, without what a backfill checks by Python before it."""
    environment = backfill_environment(settings)
    for statement in scan_tables(
        source, (), kafka=settings.kafka, parallelism=1, end_offsets=ends[source.name]
    ):
        environment.execute_sql(statement)
    environment.execute_sql(
        "CREATE TEMPORARY TABLE nowhere (time_ms BIGINT) WITH ('connector' = 'blackhole')"
    )
    read = f"SELECT {quoted(EVENT_TIME_MS)} FROM {quoted(enter_table(source))}"
    try:
        with job_failures("scan"):
            environment.execute_sql(f"INSERT INTO nowhere {read}").wait()
    except JobFailedError as error:
        return str(error)
    return "none"


def say(**values: object) -> None:
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


def main(name: str, refused: str) -> None:
    configure_logs()
    settings = Settings()
    say(settings=repr(settings), kafka=repr(settings.kafka))
    defined = definitions(name)
    view = defined.views[2]
    ends = capture_end_offsets(settings.kafka, defined.sources)
    report = run_backfill(settings, [view], ends, settings.offline_dir)
    write_topic(settings, view, ends, report.horizon_ms[name])
    say(rows=report.rows[view.name], horizon_ms=report.horizon_ms[name])
    for case, changed in json.loads(refused).items():
        say(waiting=case)
        sys.stdin.readline()
        began = time.monotonic()
        other = Settings(**changed)
        told = failure(other, view.source, ends)
        say(case=case, failure=told, seconds=time.monotonic() - began)
    if settings.kafka_username is not None:
        try:
            backfill_environment(settings.model_copy(update={"kafka_username": "other"}))
        except JvmError as error:
            say(other_secrets=str(error))


if __name__ == "__main__":
    main(*sys.argv[1:])
