"""Offline rows of history and of the live period: each once, and nothing half done."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from feature_repo.offline import (
    complete_until_ms,
    offline_path,
    offline_schema,
    table_of_rows,
    view_id,
)
from feature_repo.offline_archive import OfflineArchive, RowsReplacedError, UnknownRowsError
from feature_repo.offline_history import replace_history
from feature_repo.offline_parts import write_part
from feature_repo.offline_snapshot import SNAPSHOTS, SnapshotState
from features.examples.flights import DEFINITIONS
from features.instant import to_ms

VIEW = DEFINITIONS.view("origin_boardings_1h")
SLIDE_MS = VIEW.window.slide_ms
AT = ("rows", 0)


def rows(first: int, end: int) -> list[tuple[Any, ...]]:
    return [
        (origin, slot * SLIDE_MS, slot) for slot in range(first, end) for origin in ("JFK", "EWR")
    ]


def append(root: Path, first: int, end: int) -> None:
    """Archive the window ends of [first, end)."""
    archive = OfflineArchive(root, VIEW)
    archive.gather(rows(first, end))
    archive.write(complete_until_ms=(end - 1) * SLIDE_MS, positions={AT: end})


def backfill(root: Path, end: int) -> None:
    """Replace history by the window ends before `end`."""
    path = root / "backfill.ready"
    path.unlink(missing_ok=True)
    part = write_part(path, offline_schema(VIEW), [table_of_rows(VIEW, rows(1, end))])
    replace_history(root, VIEW, path, part, end * SLIDE_MS - 1)


def slots(paths: list[Path]) -> list[int]:
    """Slots of the rows in files, sorted; each must be there for both keys."""
    tables = [pq.read_table(path) for path in paths]
    assert all(table.schema.equals(offline_schema(VIEW)) for table in tables)
    found = sorted(
        (to_ms(row["window_end"]) // SLIDE_MS, row["origin"])
        for table in tables
        for row in table.to_pylist()
    )
    assert [origin for _, origin in found] == ["EWR", "JFK"] * (len(found) // 2)
    return [slot for slot, _ in found[::2]]


def visible(root: Path) -> list[int]:
    return slots(sorted(offline_path(root, VIEW).rglob("*.parquet")))


def complete_slot(root: Path) -> int | None:
    until_ms = complete_until_ms(root, VIEW)
    return None if until_ms is None else until_ms // SLIDE_MS


def positions(root: Path) -> object:
    return SnapshotState.read(offline_path(root, VIEW)).positions


def test_rows_are_appended_with_their_position(tmp_path: Path) -> None:
    assert complete_until_ms(tmp_path, VIEW) is None
    append(tmp_path, 1, 4)
    append(tmp_path, 4, 5)
    assert visible(tmp_path) == [1, 2, 3, 4]
    assert complete_slot(tmp_path) == 4
    state = OfflineArchive(tmp_path, VIEW).state
    assert state.positions == {AT: 5}
    row = pq.read_table(offline_path(tmp_path, VIEW)).to_pylist()[0]
    assert row["event_timestamp"] - row["window_end"] == VIEW.source.lateness


def test_progress_without_rows_is_kept(tmp_path: Path) -> None:
    archive = OfflineArchive(tmp_path, VIEW)
    archive.write(complete_until_ms=7 * SLIDE_MS, positions={AT: 3})
    assert visible(tmp_path) == []
    assert len(list(offline_path(tmp_path, VIEW).glob("*.parquet"))) == 1, "DuckDB needs a file"
    assert complete_slot(tmp_path) == 7
    append(tmp_path, 8, 9)
    assert visible(tmp_path) == [8]


def test_many_small_files_become_few(tmp_path: Path) -> None:
    for slot in range(1, 101):
        append(tmp_path, slot, slot + 1)
        assert len(list(offline_path(tmp_path, VIEW).glob("*.parquet"))) <= 7 * 3
    assert visible(tmp_path) == list(range(1, 101))
    state = OfflineArchive(tmp_path, VIEW).state
    assert [part.rows for part in state.parts] == [128, 16, 16, 16, 16, 2, 2, 2, 2]


def test_a_backfill_takes_the_place_of_the_rows_up_to_its_horizon(tmp_path: Path) -> None:
    append(tmp_path, 1, 5)
    append(tmp_path, 5, 9)
    append(tmp_path, 9, 12)
    for end in (3, 7, 9, 10):
        backfill(tmp_path, end)
        assert visible(tmp_path) == list(range(1, 12)), end
        assert complete_slot(tmp_path) == 11
        assert positions(tmp_path) == {AT: 12}
    backfill(tmp_path, 20)
    assert visible(tmp_path) == list(range(1, 20))
    assert complete_slot(tmp_path) == 19
    append(tmp_path, 20, 22)
    assert visible(tmp_path) == list(range(1, 22))


def test_archived_rows_that_would_leave_a_gap_are_archived_again(tmp_path: Path) -> None:
    backfill(tmp_path, 10)
    append(tmp_path, 10, 15)
    backfill(tmp_path, 5)
    assert visible(tmp_path) == [1, 2, 3, 4]
    assert complete_slot(tmp_path) == 4
    assert positions(tmp_path) == {}, "the archive reads the topics from their start"


def test_a_writer_that_missed_a_backfill_appends_nothing(tmp_path: Path) -> None:
    archive = OfflineArchive(tmp_path, VIEW)
    archive.gather(rows(1, 4))
    backfill(tmp_path, 3)
    with pytest.raises(RowsReplacedError, match="got snapshot 2, this writer continues 1"):
        archive.write(complete_until_ms=3 * SLIDE_MS, positions={})
    assert visible(tmp_path) == [1, 2]


def test_rows_of_unknown_origin_are_refused_until_a_backfill_replaces_them(tmp_path: Path) -> None:
    offline_path(tmp_path, VIEW).mkdir()
    pq.write_table(table_of_rows(VIEW, rows(1, 9)), offline_path(tmp_path, VIEW) / "mine.parquet")
    assert complete_until_ms(tmp_path, VIEW) is None
    with pytest.raises(UnknownRowsError, match="it is unknown up to where"):
        OfflineArchive(tmp_path, VIEW)
    backfill(tmp_path, 4)
    append(tmp_path, 4, 5)
    assert visible(tmp_path) == [1, 2, 3, 4]


class Killed(BaseException):
    """Stands for kill -9: nothing in the code under test catches it."""


@contextmanager
def killed_at(step: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """End the writer right before its n-th change of the file system; count the changes."""
    count = [0]

    def counted(change: Callable[..., Any]) -> Callable[..., Any]:
        def changing(*args: Any, **options: Any) -> Any:
            count[0] += 1
            if count[0] == step:
                raise Killed
            return change(*args, **options)

        return changing

    with monkeypatch.context() as patched:
        for owner, name in (
            *((os, name) for name in ("fsync", "link")),
            *((Path, name) for name in ("mkdir", "replace", "symlink_to", "unlink")),
        ):
            patched.setattr(owner, name, counted(getattr(owner, name)))
        yield count


@pytest.mark.parametrize(
    ("operation", "before", "after"),
    [
        pytest.param(lambda root: append(root, 9, 11), (8, 8), (10, 10), id="append-and-merge"),
        pytest.param(lambda root: backfill(root, 5), (8, 8), (8, 8), id="backfill-cuts"),
        pytest.param(lambda root: backfill(root, 20), (8, 8), (19, 19), id="backfill-overtakes"),
    ],
)
def test_a_writer_killed_between_any_two_steps_leaves_all_or_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    operation: Callable[[Path], None],
    before: tuple[int, int],
    after: tuple[int, int],
) -> None:
    seen, step = set(), 0
    while True:
        step += 1
        root = tmp_path / str(step)
        root.mkdir()
        for slot in range(1, 8):
            append(root, slot, slot + (2 if slot == 7 else 1))
        with killed_at(step, monkeypatch) as count:
            try:
                operation(root)
            except Killed:
                pass
            else:
                break
        found = (visible(root)[-1], complete_slot(root))
        assert visible(root) == list(range(1, found[0] + 1))
        assert found in (before, after)
        seen.add(found)
        if found == before:
            operation(root)
        assert (visible(root)[-1], complete_slot(root)) == after
    assert count[0] == step - 1 > 8
    assert seen == {before, after}


def test_files_replaced_one_by_one_would_show(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control of the one above: the new file first, then the old ones go."""
    append(tmp_path, 1, 4)
    directory = offline_path(tmp_path, VIEW)
    new = tmp_path / "new"
    write_part(new, offline_schema(VIEW), [table_of_rows(VIEW, rows(1, 3))])
    (old,) = directory.glob("*.parquet")

    def one_by_one() -> None:
        new.replace(directory / "new.parquet")
        old.unlink()

    with killed_at(2, monkeypatch), pytest.raises(Killed):
        one_by_one()
    with pytest.raises(AssertionError):
        visible(tmp_path)


def test_a_reader_sees_a_whole_snapshot_whatever_is_written_meanwhile(tmp_path: Path) -> None:
    append(tmp_path, 1, 2)
    done = threading.Event()

    def write() -> None:
        try:
            for slot in range(2, 40):
                append(tmp_path, slot, slot + 1)
                if slot % 7 == 0:
                    backfill(tmp_path, slot - 3)
        finally:
            done.set()

    writer = threading.Thread(target=write)
    writer.start()
    seen = set()
    while not done.is_set():
        # What `feature_repo.asof` does: whoever resolves the link first is never disturbed.
        newest = offline_path(tmp_path, VIEW).resolve()
        found = slots(list(newest.glob("*.parquet")))
        assert found == list(range(1, len(found) + 1))
        seen.add(len(found))
        # Through the link a file may be gone, but none is another one.
        try:
            through = slots(list(offline_path(tmp_path, VIEW).glob("*.parquet")))
        except FileNotFoundError:
            continue
        assert through == list(range(1, len(through) + 1))
    writer.join()
    assert len(seen) > 5
    assert visible(tmp_path) == list(range(1, 40))


def test_only_replaced_snapshots_are_removed_and_late(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for slot in range(1, 5):
        append(tmp_path, slot, slot + 1)
    home = tmp_path / SNAPSHOTS / view_id(VIEW)
    assert len(list(home.glob("[0-9]*"))) == 5
    monkeypatch.setattr("feature_repo.offline_snapshot._KEPT", timedelta(0))
    append(tmp_path, 5, 6)
    assert len(list(home.glob("[0-9]*"))) <= 2
    assert visible(tmp_path) == [1, 2, 3, 4, 5]
