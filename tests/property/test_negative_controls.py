"""Negative controls: what the property suite compares does differ when something is broken."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from definition_cases import ENTITIES, FIELDS
from jobs import (
    bounded_rows,
    differences,
    log_records,
    oracle_rows,
    settings_for,
    write_logs,
)
from live_jobs import (
    SOON,
    checkpoints,
    is_complete,
    live_differences,
    live_job,
)
from stream_cases import STARTS_MS, Log, StreamCase, make_log

from features.aggregation import Aggregation, Count, Mean, Min, Sum
from features.definitions import Definitions
from features.source import EVENT_TIME_MS, EventSource
from features.view import FeatureView
from features.window import SlidingWindow
from streaming.flink import aggregations, backfill, ddl
from streaming.flink.aggregations import Compiled, Running
from streaming.flink.select import select_rows
from streaming.intake.codec import EventCodec
from streaming.local.process import ChildProcess
from streaming.local.stack import EmbeddedStack
from streaming.local.waiting import wait_until
from streaming.settings import Settings
from tests.written_topics import Topics, create_topics, dropped

pytestmark = [pytest.mark.kafka, pytest.mark.flink]

SLIDE = timedelta(seconds=20)
CASE = StreamCase(
    seed=11, streams=3, events=150, partitions=2, start_ms=STARTS_MS[0], keys=3, nulls=0.1
)


def definitions(name: str) -> Definitions:
    source = EventSource(
        name=name, fields=FIELDS, lateness=SLIDE, max_clock_skew=timedelta(milliseconds=1)
    )
    view = FeatureView(
        name=f"{name}_v",
        source=source,
        entity=ENTITIES[0],
        window=SlidingWindow(size=3 * SLIDE, slide=SLIDE),
        aggregations=(Count(), Sum("small"), Mean("price"), Min("wide")),
    )
    return Definitions(views=(view,), services=())


def closed_log(defined: Definitions, case: StreamCase = CASE) -> Log:
    (source,) = defined.sources
    return make_log(source, case, defined.slides_ms(source), closed=True)


@pytest.fixture
def jobs(stack: EmbeddedStack, tmp_path: Path) -> Settings:
    return settings_for(stack, tmp_path, CASE.partitions)


def wrong_rows(jobs: Settings, defined: Definitions, log: Log, out_dir: Path) -> list[str]:
    """What the suite would report of the bounded job."""
    create_topics(jobs.kafka, defined, jobs.partitions)
    write_logs(jobs, log_records({defined.sources[0].name: log}))
    (view,) = defined.views
    found = bounded_rows(jobs, defined, out_dir)[view]
    return differences(found, oracle_rows(view, log))


def double_sum(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mean that divides a sum of doubles."""

    def mean(view: FeatureView, aggregation: Aggregation) -> Compiled:
        compiled = aggregations._mean(view, aggregation)  # noqa: SLF001
        price, zero = "CAST(`price` AS DOUBLE)", "CAST(0 AS DOUBLE)"
        total = Running(
            name="price__doubles",
            enter=f"COALESCE({price}, {zero})",
            leave=f"COALESCE(-{price}, {zero})",
            merge="SUM",
            over="history",
            neutral=zero,
        )
        return Compiled(
            running=(total, compiled.running[1]),
            value="CASE WHEN `price__values` > 0 "
            "THEN `price__doubles` / CAST(`price__values` AS DOUBLE) END",
        )

    monkeypatch.setitem(aggregations._COMPILERS, Mean, mean)  # noqa: SLF001


def off_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows that are one millisecond too long."""
    scan = ddl._scan  # noqa: SLF001

    def shifted(name: str, source: EventSource, shift_ms: int, options: str) -> str:
        return scan(name, source, shift_ms + bool(shift_ms), options)

    monkeypatch.setattr(ddl, "_scan", shifted)


def no_empty_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A window that empties has no row."""

    def filled(view: FeatureView, *, until_ms: int | None = None) -> str:
        return f"{select_rows(view, until_ms=until_ms)}\n  AND `{view.name}_count` > 0"

    monkeypatch.setattr(backfill, "select_rows", filled)


@pytest.mark.parametrize(
    ("name", "break_it"),
    [
        ("intact", None),
        ("doubles", double_sum),
        ("edge", off_by_one),
        ("filled", no_empty_rows),
    ],
)
def test_the_suite_notices_a_broken_job(
    jobs: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    break_it: Callable[[pytest.MonkeyPatch], None] | None,
) -> None:
    if break_it is not None:
        break_it(monkeypatch)
    defined = definitions(f"broken_{name}")
    wrong = wrong_rows(jobs, defined, closed_log(defined), tmp_path / "rows")
    assert bool(wrong) == (break_it is not None)


def test_the_suite_notices_a_heartbeat_sent_too_early(jobs: Settings) -> None:
    defined = definitions("early")
    (source,) = defined.sources
    log = closed_log(defined)
    early_ms = max(event[EVENT_TIME_MS] for event in log.accepted) + source.lateness_ms
    early = (None, EventCodec(source).heartbeat(early_ms).content)
    begun = {partition: [*records[:40], early] for partition, records in log.records.items()}
    rest = {partition: records[40:] for partition, records in log.records.items()}
    assert wrong_after_rest(jobs, defined, log, begun, rest)


def test_the_suite_notices_rows_counted_twice(jobs: Settings) -> None:
    defined = definitions("twice")
    log = closed_log(defined)
    assert any(
        "progress" in line for line in live_wrong(jobs, defined, log, "progress counted twice")
    )


def live_wrong(jobs: Settings, defined: Definitions, log: Log, *sabotage: str) -> list[str]:
    """What the suite would report of the live job."""
    (source,), (view,) = defined.sources, defined.views
    create_topics(jobs.kafka, defined, jobs.partitions)
    write_logs(jobs, log_records({source.name: log}))
    with (
        closing(Topics(jobs.kafka)) as topics,
        live_job(jobs, defined, *sabotage) as job,
    ):
        job.wait_ready(lambda: is_complete(topics, defined, {source.name: log}), timeout=SOON)
        return live_differences(topics, view, {source.name: log})


def test_the_suite_notices_an_idle_timeout(jobs: Settings) -> None:
    """One partition is read to its end before the other goes on: nothing may fire until then."""
    defined = definitions("idle")
    log = closed_log(defined)
    begun = {0: log.records[0], 1: log.records[1][:1]}
    rest = {1: log.records[1][1:]}
    assert wrong_after_rest(jobs, defined, log, begun, rest, "idle-timeout")


Records = dict[int, list[tuple[bytes | None, bytes]]]


def wrong_after_rest(
    jobs: Settings,
    defined: Definitions,
    log: Log,
    begun: Records,
    rest: Records,
    *sabotage: str,
) -> list[str]:
    """What the suite would report when the rest follows after the first progress."""
    (source,), (view,) = defined.sources, defined.views
    create_topics(jobs.kafka, defined, jobs.partitions)
    with (
        closing(Topics(jobs.kafka)) as topics,
        live_job(jobs, defined, *sabotage) as job,
    ):
        write_logs(jobs, log_records({source.name: replace(log, records=begun)}))
        job.wait_ready(lambda: bool(topics.progress(view)), timeout=SOON)
        write_logs(jobs, log_records({source.name: replace(log, records=rest)}))
        wait_until(lambda: dropped(jobs) not in (None, 0), timeout=SOON, what="late records")
        job.wait_ready(lambda: is_complete(topics, defined, {source.name: log}), timeout=SOON)
        return live_differences(topics, view, {source.name: log})


def test_the_suite_notices_more_scan_subtasks_than_partitions(
    jobs: Settings, tmp_path: Path
) -> None:
    """Nothing ever fires, so the suite would wait in vain: no progress after two checkpoints."""
    defined = definitions("subtasks")
    log = closed_log(defined)
    create_topics(jobs.kafka, defined, jobs.partitions)
    write_logs(jobs, log_records({defined.sources[0].name: log}))
    with closing(Topics(jobs.kafka)) as topics:
        with live_job(jobs, defined, "too many subtasks") as job:
            for _ in range(2):
                wait_for_checkpoint(jobs, defined, job)
            assert not topics.progress(defined.views[0])
        # The same log, with as many subtasks as partitions.
        other = jobs.model_copy(update={"state_dir": tmp_path / "other"})
        other.state_dir.mkdir()
        with live_job(other, defined) as job:
            job.wait_ready(lambda: bool(topics.progress(defined.views[0])), timeout=SOON)


def wait_for_checkpoint(jobs: Settings, defined: Definitions, job: ChildProcess) -> None:
    before = checkpoints(jobs, defined)
    job.wait_ready(lambda: bool(checkpoints(jobs, defined) - before), timeout=SOON)
