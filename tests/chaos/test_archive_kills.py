"""The archive, killed while it writes: each row is there, once, and what is said of them is so."""

import multiprocessing
import random
from datetime import timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from archive_log import ORIGINS, VIEWS, archive_log

from feature_repo.offline import complete_until_ms, offline_path, view_id
from feature_repo.offline_snapshot import SNAPSHOTS, SnapshotState
from features.instant import to_ms
from features.view import FeatureView
from streaming.local.waiting import wait_until

SLOTS = 1_500
SOON = timedelta(seconds=60)


def check_rows(root: Path, view: FeatureView) -> int:
    """Every row up to where they are complete is there, once; return the number of window ends."""
    until_ms, slide_ms = complete_until_ms(root, view), view.window.slide_ms
    ends = 0 if until_ms is None else until_ms // slide_ms + 1
    found = sorted(
        (to_ms(row["window_end"]) // slide_ms, row["origin"], row[f"{view.name}_count"])
        for row in pq.read_table(offline_path(root, view)).to_pylist()
    )
    assert found == [(slot, origin, slot) for slot in range(ends) for origin in ORIGINS]
    return ends


def number(root: Path, view: FeatureView) -> int:
    return SnapshotState.read(offline_path(root, view)).number


def test_every_row_once_after_kills_at_any_moment(
    tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    # Each is forked from a process that has imported nearly everything and has no threads.
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(
        ["features.examples.flights", "streaming.archive.view_archives", "streaming.kafka.avro"]
    )
    root, rng = tmp_path / "offline", random.Random(6)
    kills, unfinished = pytestconfig.getoption("--archive-kills"), 0
    for seed in range(kills):
        process = processes.Process(target=archive_log, args=(tmp_path, SLOTS, seed))
        process.start()
        reached = number(root, VIEWS[0]) + rng.randrange(1, 25)

        def has_written(
            process: multiprocessing.process.BaseProcess = process, reached: int = reached
        ) -> bool:
            assert process.is_alive(), "the archive ended"
            return number(root, VIEWS[0]) >= reached

        wait_until(has_written, timeout=SOON, what=f"snapshot {reached}")
        process.kill()
        process.join()
        for view in VIEWS:
            home = root / SNAPSHOTS / view_id(view)
            unfinished += (home / str(number(root, view) + 1)).exists()
            assert check_rows(root, view) > 0
    assert unfinished > 0 or kills < 10, "no kill was within a write"
