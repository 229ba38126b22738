"""From what was read of the topics to the offline store: when it is written, who has to wait."""

from pathlib import Path
from typing import Any

import pytest

from feature_repo.offline import complete_until_ms, offline_path
from feature_repo.offline_snapshot import SnapshotState
from features.definitions import Definitions
from features.examples.flights import DEFINITIONS
from features.fingerprint import view_fingerprint
from features.view import FeatureView
from streaming.archive.view_archives import ViewArchives
from streaming.kafka.avro import AvroCodec
from streaming.kafka.follower import Slice
from streaming.kafka.schemas import feature_row_schema, progress_schema
from streaming.kafka.topics import PROGRESS_TOPIC, features_topic
from streaming.settings import Settings

VIEW = DEFINITIONS.view("origin_boardings_1h")
TWIN = DEFINITIONS.view("origin_boardings_4h")
SLIDE_MS = VIEW.window.slide_ms


def archives(root: Path, *views: FeatureView, rows: int = 1, seconds: float = 0.0) -> ViewArchives:
    settings = Settings(state_dir=root, partitions=2, archive_rows=rows, archive_seconds=seconds)
    return ViewArchives(settings, Definitions(views=views, services=()))


def rows(first: int, end: int, partition: int = 0) -> Slice:
    codec = AvroCodec(feature_row_schema(VIEW))
    values = [
        codec.encode({"origin": "JFK", "window_end_ms": slot * SLIDE_MS, f"{VIEW.name}_count": 1})
        for slot in range(first, end)
    ]
    return part(features_topic(VIEW), partition, first, values)


def progress(first: int, end: int, view: FeatureView = VIEW, row_count: int = 1) -> Slice:
    codec = AvroCodec(progress_schema())
    fingerprint = view_fingerprint(view)
    record: dict[str, Any] = {"view": view.name, "fingerprint": fingerprint, "row_count": row_count}
    values = [
        codec.encode(record | {"window_end_ms": slot * SLIDE_MS}) for slot in range(first, end)
    ]
    return part(PROGRESS_TOPIC, 0, first, values)


def part(topic: str, partition: int, first: int, values: list[bytes]) -> Slice:
    return Slice(
        topic=topic,
        partition=partition,
        first_offset=first,
        next_offset=first + len(values),
        values=values,
    )


def newest_slot(root: Path, view: FeatureView = VIEW) -> int | None:
    until_ms = complete_until_ms(root / "offline", view)
    return None if until_ms is None else until_ms // SLIDE_MS


def test_rows_are_written_when_they_are_many(tmp_path: Path) -> None:
    archive = archives(tmp_path, VIEW, rows=10, seconds=3_600.0)
    archive.add([rows(0, 9), progress(0, 9)])
    assert newest_slot(tmp_path) is None
    archive.add([rows(9, 12), progress(9, 12)])
    assert newest_slot(tmp_path) == 11


def test_rows_are_written_when_they_are_old(tmp_path: Path) -> None:
    archive = archives(tmp_path, VIEW, rows=10, seconds=0.0)
    archive.add([rows(0, 3), progress(0, 2)])
    assert newest_slot(tmp_path) == 1
    before = SnapshotState.read(offline_path(tmp_path / "offline", VIEW))
    archive.add([])
    archive.write()
    assert SnapshotState.read(offline_path(tmp_path / "offline", VIEW)) == before


def test_a_stop_writes_what_is_complete(tmp_path: Path) -> None:
    archive = archives(tmp_path, VIEW, TWIN, rows=10, seconds=3_600.0)
    archive.add([rows(0, 3), progress(0, 2), progress(2, 5, TWIN, row_count=0)])
    archive.write()
    assert newest_slot(tmp_path) == 1
    assert newest_slot(tmp_path, TWIN) == 4
    positions = archives(tmp_path, VIEW, TWIN).positions
    topic = features_topic(VIEW)
    assert (positions[topic, 0], positions[topic, 1]) == (0, 0), "the slice of the row that waits"
    assert positions[PROGRESS_TOPIC, 0] == 5


def test_a_view_that_has_not_read_yet_holds_the_progress_of_all(tmp_path: Path) -> None:
    alone = archives(tmp_path, VIEW)
    alone.add([rows(0, 3), progress(0, 3)])
    assert alone.positions != archives(tmp_path, VIEW).positions
    assert archives(tmp_path, VIEW).positions[PROGRESS_TOPIC, 0] == 3
    assert archives(tmp_path, VIEW, TWIN).positions[PROGRESS_TOPIC, 0] == 0


def test_partitions_that_are_ahead_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streaming.archive.view_archives._WAITING_ROWS", 10)
    topic = features_topic(VIEW)
    archive = archives(tmp_path, VIEW, TWIN)
    archive.add([rows(0, 11, partition=1), rows(0, 10)])
    assert archive.ahead() == {(topic, 1)}
    archive.add([progress(0, 11)])
    assert archive.ahead() == set()
    archive.add([progress(11, 19), progress(19, 22, TWIN)])
    assert archive.ahead() == {(PROGRESS_TOPIC, 0)}
