"""The live job: all feature views, from the validated log to feature topics and progress."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pyflink.table import StatementSet, TableEnvironment, TableResult

from features.definitions import Definitions
from streaming.flink.checkpoints import checkpoint_root, keep_newest_checkpoint
from streaming.flink.ddl import feature_sink, progress_sink
from streaming.flink.environment import create_environment
from streaming.flink.failures import JobFailedError, job_failures
from streaming.flink.job import check_logs, create_views
from streaming.flink.rest import rest_address_file
from streaming.flink.select import select_progress, select_rows
from streaming.flink.sql import quoted
from streaming.flink.tables import PROGRESS, rows_table
from streaming.kafka.admin import Admin
from streaming.kafka.loop import stop_on_signal
from streaming.kafka.topics import PROGRESS_TOPIC, features_topic
from streaming.local.ports import LOCALHOST, free_port
from streaming.settings import Settings

_OPTIONS = {
    "pipeline.auto-watermark-interval": "50 ms",
    # Shorter ones cost more than they gain: at 5 ms, flushing takes a sixth of the job's time.
    "execution.buffer-timeout.interval": "20 ms",
    "execution.checkpointing.interval": "10 s",
    "execution.checkpointing.externalized-checkpoint-retention": "RETAIN_ON_CANCELLATION",
    "execution.state-recovery.claim-mode": "CLAIM",
    # A broker that restarts is worth waiting for; a record that cannot be decoded is not.
    "restart-strategy.type": "failure-rate",
    "restart-strategy.failure-rate.max-failures-per-interval": "3",
    "restart-strategy.failure-rate.failure-rate-interval": "5 min",
    "restart-strategy.failure-rate.delay": "2 s",
    "metrics.fetcher.update-interval": "1000",
}

_log = logging.getLogger(__name__)


def run_live_job(settings: Settings, definitions: Definitions) -> None:
    """Run the job of all views until SIGTERM; a restart continues at the newest checkpoint.

    Raises:
        TopicError: A topic is missing, has another number of partitions, or lost its beginning.
        JobFailedError: The job failed more often than a restart may mend.
    """
    stop = stop_on_signal()
    _check_topics(settings, definitions)
    root = checkpoint_root(settings.state_dir.resolve() / "checkpoints", definitions.views)
    newest = keep_newest_checkpoint(root)
    port = free_port()
    options = _OPTIONS | {
        "execution.checkpointing.dir": root.as_uri(),
        "rest.bind-port": str(port),
        "rest.port": str(port),
    }
    if newest is not None:
        options["execution.state-recovery.path"] = newest.as_uri()
    _log.info("continues at %s", newest or "the beginning of the log")
    try:
        with job_failures("live"):
            environment = create_environment(
                settings, options, log_dir=settings.state_dir / "logs" / "live"
            )
            result = live_inserts(environment, settings, definitions).execute()
    except JobFailedError:
        if stop.is_set():  # A signal to the whole process group also ends the JVM.
            return
        raise
    with _announced(rest_address_file(settings), f"http://{LOCALHOST}:{port}"):
        _run(result, stop)


def live_inserts(
    environment: TableEnvironment, settings: Settings, definitions: Definitions
) -> StatementSet:
    """Return everything that the live job writes: the rows of each view, and all progress."""
    create_views(environment, settings, definitions.views)
    kafka = settings.kafka
    environment.execute_sql(progress_sink(kafka=kafka))
    inserts = environment.create_statement_set()
    for view in definitions.views:
        environment.execute_sql(feature_sink(view, kafka=kafka))
        inserts.add_insert_sql(f"INSERT INTO {quoted(rows_table(view))}\n{select_rows(view)}")
    progress = "\nUNION ALL\n".join(select_progress(view) for view in definitions.views)
    inserts.add_insert_sql(f"INSERT INTO {quoted(PROGRESS)}\n{progress}")
    return inserts


def _check_topics(settings: Settings, definitions: Definitions) -> None:
    check_logs(settings, definitions.views)
    with Admin(settings.kafka) as admin:
        admin.partitions([features_topic(view) for view in definitions.views])
        admin.check_partitions([PROGRESS_TOPIC], 1)


def _run(result: TableResult, stop: threading.Event) -> None:
    """Wait until the job fails or the process is asked to stop."""
    failures: list[JobFailedError] = []

    def watch() -> None:
        try:
            with job_failures("live"):
                result.wait()
        except JobFailedError as error:
            if not stop.is_set():
                failures.append(error)
        finally:
            stop.set()

    watcher = threading.Thread(target=watch, name="flink job", daemon=True)
    watcher.start()
    _log.info("runs")
    stop.wait()
    if failures:
        raise failures[0]
    _log.info("stops")
    _cancel(result)
    watcher.join()


def _cancel(result: TableResult) -> None:
    """Cancel the job; its newest checkpoint stays. A JVM that got the same signal is gone."""
    client = result.get_job_client()
    try:
        with job_failures("live"):
            client.cancel().result()
    except JobFailedError as error:
        _log.info("already stopped: %s", error)


@contextmanager
def _announced(path: Path, rest_url: str) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(rest_url, encoding="ascii")
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
