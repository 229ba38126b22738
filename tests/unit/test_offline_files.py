"""A backfill's rows replace the former ones of the view."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from feature_repo.offline import complete_until_ms, offline_path, offline_schema
from features.examples.flights import DEFINITIONS
from streaming.flink.offline_files import OfflineDirectoryError, publish, working_directory

VIEW = DEFINITIONS.view("origin_boardings_1h")
HORIZONS_MS = dict.fromkeys((source.name for source in DEFINITIONS.sources), 3_600_001)


def write_part(directory: Path, number: int, counts: list[int]) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    rows = {
        "origin": ["JFK"] * len(counts),
        "window_end_ms": [300_000 * (at + 1) for at in range(len(counts))],
        "origin_boardings_1h_count": counts,
    }
    pq.write_table(pa.table(rows), directory / f"part-x-0-{number}")


def published(offline: Path) -> list[dict[str, object]]:
    tables = [pq.read_table(path) for path in offline_path(offline, VIEW).rglob("*.parquet")]
    assert all(table.schema.equals(offline_schema(VIEW)) for table in tables)
    return [row for table in tables for row in table.to_pylist()]


def test_rows_are_replaced_not_stacked(tmp_path: Path) -> None:
    write_part(tmp_path / "one" / VIEW.name, 0, [1, 2])
    assert publish([VIEW], tmp_path / "one", tmp_path / "offline", HORIZONS_MS) == {VIEW.name: 2}
    write_part(tmp_path / "two" / VIEW.name, 0, [3])
    write_part(tmp_path / "two" / VIEW.name, 1, [4])
    assert publish([VIEW], tmp_path / "two", tmp_path / "offline", HORIZONS_MS) == {VIEW.name: 2}

    rows = published(tmp_path / "offline")
    assert [row["origin_boardings_1h_count"] for row in rows] == [3, 4]
    assert str(rows[0]["window_end"]) == "1970-01-01 00:05:00+00:00"
    assert str(rows[0]["event_timestamp"]) == "1970-01-01 00:06:00+00:00"


def test_no_rows_are_an_empty_file(tmp_path: Path) -> None:
    assert publish([VIEW], tmp_path / "none", tmp_path / "offline", HORIZONS_MS) == {VIEW.name: 0}
    assert published(tmp_path / "offline") == []
    assert len(list(offline_path(tmp_path / "offline", VIEW).glob("*.parquet"))) == 1
    assert complete_until_ms(tmp_path / "offline", VIEW) == 3_600_000


def test_a_damaged_part_leaves_the_former_rows(tmp_path: Path) -> None:
    write_part(tmp_path / "one" / VIEW.name, 0, [1])
    publish([VIEW], tmp_path / "one", tmp_path / "offline", HORIZONS_MS)
    write_part(tmp_path / "two" / VIEW.name, 0, [2])
    (tmp_path / "two" / VIEW.name / "part-x-0-1").write_bytes(b"half")

    with pytest.raises(pa.ArrowInvalid):
        publish([VIEW], tmp_path / "two", tmp_path / "offline", HORIZONS_MS)

    assert [row["origin_boardings_1h_count"] for row in published(tmp_path / "offline")] == [1]


def test_no_view_is_replaced_before_all_are_ready(tmp_path: Path) -> None:
    other = DEFINITIONS.view("origin_boardings_4h")
    write_part(tmp_path / "one" / VIEW.name, 0, [1])
    publish([VIEW], tmp_path / "one", tmp_path / "offline", HORIZONS_MS)
    write_part(tmp_path / "two" / VIEW.name, 0, [2])
    (tmp_path / "two" / other.name).mkdir()
    (tmp_path / "two" / other.name / "part-x-0-0").write_bytes(b"half")

    with pytest.raises(pa.ArrowInvalid):
        publish([VIEW, other], tmp_path / "two", tmp_path / "offline", HORIZONS_MS)

    assert [row["origin_boardings_1h_count"] for row in published(tmp_path / "offline")] == [1]


def test_a_working_directory_is_hidden_and_goes_with_what_killed_backfills_left(
    tmp_path: Path,
) -> None:
    (tmp_path / ".backfill-killed" / "view").mkdir(parents=True)
    (tmp_path / "view").mkdir()
    with working_directory(tmp_path) as directory:
        assert directory.parent == tmp_path
        assert [path.name for path in tmp_path.glob("[!.]*")] == ["view"]
        assert not (tmp_path / ".backfill-killed").exists()
        # A JVM may write a little longer than its backfill.
        (tmp_path / ".backfill-killed").mkdir()
    assert [path.name for path in tmp_path.iterdir()] == ["view"]


def test_only_one_backfill_writes_to_an_offline_store(tmp_path: Path) -> None:
    with (
        working_directory(tmp_path),
        pytest.raises(OfflineDirectoryError, match="another backfill is writing to it"),
        working_directory(tmp_path),
    ):
        pass
    with working_directory(tmp_path):
        pass
