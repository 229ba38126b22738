"""The bounded job gives what the evaluator gives, bit for bit."""

import re
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from flink_streams import (
    LATENESS_MS,
    PARTITIONS,
    SLIDE_MS,
    START_MS,
    definitions,
    heartbeats,
    random_events,
    write_bytes,
    write_log,
)
from typer.testing import CliRunner

from feature_repo.offline import offline_path, offline_schema
from features.definitions import Definitions
from features.evaluator import evaluate
from features.instant import to_ms
from features.view import FeatureView
from streaming.cli import app
from streaming.flink.backfill import run_backfill
from streaming.flink.environment import create_environment
from streaming.flink.failures import JobFailedError
from streaming.flink.horizon import EndOffsets, HorizonError, capture_end_offsets, horizon_ms
from streaming.flink.live import live_inserts
from streaming.kafka.admin import TopicError
from streaming.local.stack import EmbeddedStack
from streaming.local.system import environment
from streaming.settings import Settings
from tests.written_topics import create_topics

pytestmark = [pytest.mark.kafka, pytest.mark.flink]

EVENTS = 150


@pytest.fixture(scope="module")
def settings(stack: EmbeddedStack) -> Settings:
    return Settings(
        state_dir=stack.state.root,
        bootstrap_servers=stack.bootstrap_servers,
        partitions=PARTITIONS,
        flink_heap_mb=512,
    )


def written(settings: Settings, name: str, seed: int) -> tuple[Definitions, list[dict[str, Any]]]:
    defined = definitions(name)
    create_topics(settings.kafka, defined, PARTITIONS)
    events = []
    for partition in range(PARTITIONS):
        own = list(random_events(partition, EVENTS, seed=seed))
        write_log(settings.kafka, defined.sources[0], partition, own)
        events += own
    return defined, [event for event in events if event.get("event_id")]


def bits(value: Any) -> Any:
    return value.hex() if isinstance(value, float) else value


def expected_rows(view: FeatureView, events: list[dict[str, Any]], until_ms: int) -> list[Any]:
    return [
        (*row.keys, row.window_end_ms, *(bits(value) for value in row.values.values()))
        for row in evaluate(view, events, until_ms)
    ]


def offline_rows(out_dir: Path, view: FeatureView) -> list[Any]:
    keys = [key.name for key in view.join_keys]
    rows = []
    for path in offline_path(out_dir, view).glob("*.parquet"):
        table = pq.read_table(path)
        assert table.schema.equals(offline_schema(view))
        for row in table.to_pylist():
            end_ms = to_ms(row["window_end"])
            assert to_ms(row["event_timestamp"]) == end_ms + LATENESS_MS
            values = (bits(row[feature.name]) for feature in view.features)
            rows.append((*(row[key] for key in keys), end_ms, *values))
    return sorted(rows, key=lambda row: (row[len(keys)], row[: len(keys)]))


def test_backfill_equals_the_evaluator(settings: Settings, tmp_path: Path) -> None:
    defined, events = written(settings, "bounded", seed=1)
    ends = capture_end_offsets(settings.kafka, defined.sources)

    report = run_backfill(settings, defined.views, ends, tmp_path)

    horizon = report.horizon_ms["bounded"]
    for view in defined.views:
        expected = expected_rows(view, events, horizon)
        assert offline_rows(tmp_path, view) == expected
        assert report.rows[view.name] == len(expected) > EVENTS // 3
        # Negative controls: the comparison sees missing events and a missing row.
        assert offline_rows(tmp_path, view) != expected_rows(view, events[::2], horizon)
        assert offline_rows(tmp_path, view) != expected[1:]
    assert not list(tmp_path.glob(".backfill-*"))


def test_backfill_replaces_rows_up_to_its_end_offsets(settings: Settings, tmp_path: Path) -> None:
    defined, events = written(settings, "replaced", seed=2)
    source, view = defined.sources[0], defined.views[2]
    early = {source.name: dict.fromkeys(range(PARTITIONS), 60)}

    first = run_backfill(settings, [view], early, tmp_path)
    before = offline_rows(tmp_path, view)
    last = run_backfill(settings, [view], capture_end_offsets(settings.kafka, [source]), tmp_path)

    assert before == expected_rows(view, events, first.horizon_ms[source.name])
    assert offline_rows(tmp_path, view) == expected_rows(view, events, last.horizon_ms["replaced"])
    assert 0 < len(before) < len(offline_rows(tmp_path, view))


def test_the_command_reads_the_validated_log(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    defined, events = written(settings, "commanded", seed=5)
    module = "from flink_streams import definitions\nDEFINITIONS = definitions('commanded')\n"
    (tmp_path / "commanded_definitions.py").write_text(module)
    monkeypatch.syspath_prepend(tmp_path)
    for name, value in environment(settings).items():
        monkeypatch.setenv(name, value)
    out = tmp_path / "offline"

    command = ["backfill", "--definitions", "commanded_definitions", "--out", str(out)]
    result = CliRunner().invoke(app, command, catch_exceptions=False)

    assert result.exit_code == 0
    ends = capture_end_offsets(settings.kafka, defined.sources)["commanded"]
    horizon = horizon_ms(settings.kafka, defined.sources[0], ends)
    rows = {view: expected_rows(view, events, horizon) for view in defined.views}
    assert {view: offline_rows(out, view) for view in defined.views} == rows
    assert f"{sum(map(len, rows.values())):,} rows" in result.output


def test_horizon_is_below_the_newest_event_of_the_slowest_partition(settings: Settings) -> None:
    defined, _ = written(settings, "horizon", seed=3)
    source = defined.sources[0]
    ends = capture_end_offsets(settings.kafka, [source])[source.name]
    newest = [
        max(event["event_time_ms"] for event in random_events(partition, EVENTS, seed=3))
        for partition in range(PARTITIONS)
    ]
    assert horizon_ms(settings.kafka, source, ends) == min(newest) - LATENESS_MS


def test_a_view_without_rows_has_an_empty_file(settings: Settings, tmp_path: Path) -> None:
    defined = definitions("silent")
    create_topics(settings.kafka, defined, PARTITIONS)
    source = defined.sources[0]
    for partition in range(PARTITIONS):
        write_log(settings.kafka, source, partition, heartbeats(0, 100_000))
    ends = capture_end_offsets(settings.kafka, [source])

    report = run_backfill(settings, [defined.views[0]], ends, tmp_path)

    assert report.rows == {"silent_counts": 0}
    assert offline_rows(tmp_path, defined.views[0]) == []
    assert len(list(offline_path(tmp_path, defined.views[0]).glob("*.parquet"))) == 1


def test_an_undecodable_record_fails_and_leaves_the_former_rows(
    settings: Settings, tmp_path: Path
) -> None:
    defined, _ = written(settings, "poisoned", seed=4)
    source, view = defined.sources[0], defined.views[2]
    ends = capture_end_offsets(settings.kafka, [source])
    run_backfill(settings, [view], ends, tmp_path)
    before = offline_rows(tmp_path, view)
    write_bytes(settings.kafka, source, 0, [b"\x02"])
    # So many that the poison is not in the tail that the horizon is read from.
    later = heartbeats(START_MS * 2, START_MS * 2 + 1_000 * SLIDE_MS)
    write_log(settings.kafka, source, 0, later)
    poisoned = capture_end_offsets(settings.kafka, [source])

    with pytest.raises(JobFailedError, match=r"^Flink job 'backfill' failed: \S+Exception") as told:
        run_backfill(settings, [view], poisoned, tmp_path)

    assert "\n" not in str(told.value)
    assert offline_rows(tmp_path, view) == before
    assert [path.name for path in tmp_path.glob("[!.]*")] == [offline_path(tmp_path, view).name]


def test_an_empty_partition_has_no_horizon(settings: Settings, tmp_path: Path) -> None:
    defined = definitions("empty")
    create_topics(settings.kafka, defined, PARTITIONS)
    ends = capture_end_offsets(settings.kafka, defined.sources)
    with pytest.raises(HorizonError, match="partition 0: got no event below offset 0"):
        run_backfill(settings, defined.views, ends, tmp_path)


def test_a_log_with_other_partitions_is_refused(settings: Settings, tmp_path: Path) -> None:
    defined = definitions("recounted")
    create_topics(settings.kafka, defined, PARTITIONS)
    ends: EndOffsets = {"recounted": {0: 1}}
    with pytest.raises(TopicError, match="got 2 partitions, allowed is 3"):
        run_backfill(settings.model_copy(update={"partitions": 3}), defined.views, ends, tmp_path)


def test_every_log_is_scanned_once_and_every_view_computed_once(
    settings: Settings, tmp_path: Path
) -> None:
    defined = definitions("planned")
    environment = create_environment(settings, {}, log_dir=tmp_path)

    explained = live_inserts(environment, settings, defined).explain()

    plan = explained.partition("== Optimized Execution Plan ==")[2]
    scans = re.findall(r"TableSourceScan\(.*", plan)
    # The enter scan for all views, and a leave scan for each window size.
    assert len(scans) == 1 + len({view.window.size_ms for view in defined.views})
    # A watermark for each partition, inside the scan.
    assert all("watermark=[" in scan for scan in scans)
    assert "WatermarkAssigner" not in plan
    assert plan.count("OverAggregate(") == len(defined.views)
