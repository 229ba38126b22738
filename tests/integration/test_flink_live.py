"""The live job gives what the evaluator gives, also across kill -9, and ends as it should.

What the archive makes of its rows is what a backfill of the same log writes.
"""

import signal
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from flink_streams import (
    PARTITIONS,
    SLIDE_MS,
    START_MS,
    Event,
    definitions,
    heartbeats,
    random_events,
    write_bytes,
    write_log,
)

from feature_repo.offline import complete_until_ms, offline_path, offline_schema
from features.definitions import Definitions
from features.evaluator import evaluate
from features.view import FeatureView
from streaming.archive.process import archive
from streaming.flink.backfill import run_backfill
from streaming.flink.checkpoints import checkpoint_root
from streaming.flink.horizon import capture_end_offsets
from streaming.flink.rest import (
    LiveJobNotFoundError,
    live_rest_url,
)
from streaming.local.process import ChildProcess
from streaming.local.stack import EmbeddedStack
from streaming.local.system import environment
from streaming.local.waiting import wait_until
from streaming.settings import Settings
from tests.written_topics import Topics, create_topics, dropped

pytestmark = [pytest.mark.kafka, pytest.mark.flink]

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SOON = timedelta(seconds=300)
EVENTS = 120
# The second half of the stream starts after everything of the first half.
LATER_MS = START_MS + 1_000 * SLIDE_MS
END_MS = LATER_MS + 1_000 * SLIDE_MS


@pytest.fixture
def settings(stack: EmbeddedStack, tmp_path: Path) -> Settings:
    return Settings(
        state_dir=tmp_path,
        bootstrap_servers=stack.bootstrap_servers,
        partitions=PARTITIONS,
        parallelism=2,
        archive_seconds=1.0,
        flink_heap_mb=512,
    )


@contextmanager
def live_job(settings: Settings, name: str) -> Iterator[ChildProcess]:
    job = ChildProcess(
        command=[sys.executable, str(HERE / "flink_live_worker.py"), name],
        log_path=settings.state_dir / "live.log",
        pid_path=settings.state_dir / "live.pid",
        environment=environment(settings) | {"PYTHONPATH": str(ROOT)},
    )
    job.start()
    try:
        yield job
    finally:
        job.stop(timeout=SOON)


def write_half(settings: Settings, name: str, seed: int, start_ms: int) -> list[Event]:
    source = definitions(name).sources[0]
    events: list[Event] = []
    for partition in range(PARTITIONS):
        own = list(random_events(partition, EVENTS, seed=seed, start_ms=start_ms))
        newest = max(event["event_time_ms"] for event in own)
        # Quiet windows at the end, with heartbeats only.
        own += heartbeats(newest, start_ms + 1_000 * SLIDE_MS)
        write_log(settings.kafka, source, partition, own)
        events += own
    return [event for event in events if event.get("event_id")]


def is_complete(topics: Topics, views: tuple[FeatureView, ...], end_ms: int) -> bool:
    def newest(view: FeatureView) -> int:
        return max((end for end, _ in topics.progress(view)), default=0)

    return all(newest(view) >= view.as_of(end_ms) for view in views)


def has_checkpoint(settings: Settings, views: tuple[FeatureView, ...]) -> bool:
    root = checkpoint_root(settings.state_dir / "checkpoints", views)
    return any(root.glob("*/chk-*/_metadata"))


@pytest.fixture
def topics(settings: Settings) -> Iterator[Topics]:
    with closing(Topics(settings.kafka)) as opened:
        yield opened


def test_live_job_across_kill_stop_and_poison(settings: Settings, topics: Topics) -> None:
    name = "live"
    views = definitions(name).views
    create_topics(settings.kafka, definitions(name), PARTITIONS)

    events = write_half(settings, name, 1, START_MS)
    with live_job(settings, name) as job:
        job.wait_ready(
            lambda: is_complete(topics, views, LATER_MS) and has_checkpoint(settings, views),
            timeout=SOON,
        )
        job.group.send(signal.SIGKILL)
    archive_until(settings, definitions(name), LATER_MS)
    ends = capture_end_offsets(settings.kafka, definitions(name).sources)
    run_backfill(settings, views, ends, settings.offline_dir)
    events += write_half(settings, name, 2, LATER_MS)
    with live_job(settings, name) as job:
        job.wait_ready(lambda: is_complete(topics, views, END_MS), timeout=SOON)
        wait_until(lambda: dropped(settings) is not None, timeout=SOON, what="metrics")
        assert dropped(settings) == 0
        assert job.stop(timeout=SOON) == 0

    for view in views:
        as_of = view.as_of(END_MS)
        expected = {
            (row.window_end_ms, row.keys): row.values for row in evaluate(view, events, as_of)
        }
        rows = {key: row for key, row in topics.rows(view).items() if key[0] <= as_of}
        assert len(expected) > EVENTS // 2
        assert rows == expected
        check_progress(topics.progress(view), set(expected), as_of)
        # Negative control: the comparison sees one row less.
        with pytest.raises(AssertionError):
            check_progress(topics.progress(view), set(list(expected)[1:]), as_of)
    check_archive(settings, definitions(name))
    assert has_checkpoint(settings, views)
    with pytest.raises(LiveJobNotFoundError, match="no live job runs"):
        live_rest_url(settings)

    write_bytes(settings.kafka, definitions(name).sources[0], 0, [b"\x02"])
    with live_job(settings, name) as job:
        wait_until(lambda: not job.alive(), timeout=SOON, what="the job to fail")
        assert job.exit_code == 1
        assert "Flink job 'live' failed: java.io.EOFException" in job.log_tail().splitlines()[-1]
    log = (settings.state_dir / "live.log").read_text()
    assert log.count("continues at the beginning of the log") == 1


def archive_until(settings: Settings, defined: Definitions, end_ms: int) -> None:
    """Run the archive until the offline rows are there that a request at an instant may see."""

    def reached() -> bool:
        until = [complete_until_ms(settings.offline_dir, view) for view in defined.views]
        return all(
            ms is not None and ms >= view.as_of(end_ms)
            for ms, view in zip(until, defined.views, strict=True)
        )

    stop = threading.Event()
    running = threading.Thread(target=archive, args=(settings, defined), kwargs={"stop": stop})
    running.start()
    try:
        wait_until(reached, timeout=timedelta(seconds=60), what="the archive to be complete")
    finally:
        stop.set()
        running.join()


def check_archive(settings: Settings, defined: Definitions) -> None:
    """The rows of the archive, behind those of a backfill, are those of one backfill."""
    half = {view: offline_rows(settings.offline_dir, view) for view in defined.views}
    archive_until(settings, defined, END_MS)
    ends = capture_end_offsets(settings.kafka, defined.sources)
    bounded = settings.state_dir / "bounded"
    report = run_backfill(settings, defined.views, ends, bounded)
    for view in defined.views:
        rows = offline_rows(settings.offline_dir, view)
        assert rows == offline_rows(bounded, view)
        assert len(rows) == report.rows[view.name]
        # Negative control: half of the log gives other rows.
        assert len(rows) > len(half[view]) > EVENTS // 4


def offline_rows(root: Path, view: FeatureView) -> list[str]:
    """Every row, with the bits of its values."""
    table = pq.read_table(offline_path(root, view))
    assert table.schema.equals(offline_schema(view))
    return sorted(map(repr, table.to_pylist()))


def check_progress(
    progress: list[tuple[int, int]], rows: set[tuple[int, tuple[Any, ...]]], as_of: int
) -> None:
    """Counts equal the rows; window ends ascend, but start again once, after the kill."""
    counts: dict[int, int] = defaultdict(int)
    for window_end_ms, _ in rows:
        counts[window_end_ms] += 1
    told = {end: count for end, count in progress if end <= as_of}
    assert {end: count for end, count in told.items() if count} == counts
    assert 0 in told.values()
    for window_end_ms, count in progress:
        assert told.get(window_end_ms, count) == count
    ends = [end for end, _ in progress]
    assert sum(later <= earlier for earlier, later in pairwise(ends)) <= 1


def test_a_log_without_its_beginning_is_refused(settings: Settings) -> None:
    name = "cut"
    defined = definitions(name)
    create_topics(settings.kafka, defined, PARTITIONS)
    write_half(settings, name, 3, START_MS)
    delete_records(settings, name)
    with live_job(settings, name) as job:
        wait_until(lambda: not job.alive(), timeout=SOON, what="the job to refuse")
        assert job.exit_code == 1
        assert "the log starts at offset 5, allowed is 0" in job.log_tail().splitlines()[-1]


def delete_records(settings: Settings, topic: str) -> None:
    from kafka import KafkaAdminClient, TopicPartition

    admin = KafkaAdminClient(bootstrap_servers=settings.bootstrap_servers)
    admin.delete_records({TopicPartition(topic, 1): 5})
    admin.close()
