"""Where a live job continues, and what it clears away."""

import os
from pathlib import Path

from features.examples.flights import DEFINITIONS
from streaming.flink.checkpoints import checkpoint_root, keep_newest_checkpoint


def checkpoint(root: Path, job: str, number: int, *, written_at: int | None) -> Path:
    path = root / job / f"chk-{number}"
    path.mkdir(parents=True)
    (root / job / "shared").mkdir(exist_ok=True)
    if written_at is not None:
        metadata = path / "_metadata"
        metadata.touch()
        os.utime(metadata, (written_at, written_at))
    return path


def test_the_newest_complete_checkpoint_stays_alone(tmp_path: Path) -> None:
    checkpoint(tmp_path, "former", 90, written_at=100)
    older = checkpoint(tmp_path, "latter", 3, written_at=200)
    newest = checkpoint(tmp_path, "latter", 4, written_at=300)
    interrupted = checkpoint(tmp_path, "latter", 5, written_at=None)

    assert keep_newest_checkpoint(tmp_path) == newest

    assert newest.exists()
    assert (newest.parent / "shared").exists()
    assert not older.exists()
    assert not interrupted.exists()
    assert not (tmp_path / "former").exists()


def test_without_a_complete_checkpoint_nothing_stays(tmp_path: Path) -> None:
    checkpoint(tmp_path, "job", 1, written_at=None)
    assert keep_newest_checkpoint(tmp_path) is None
    assert list(tmp_path.iterdir()) == []
    assert keep_newest_checkpoint(tmp_path / "absent") is None


def test_other_sql_has_another_directory(tmp_path: Path) -> None:
    views = DEFINITIONS.views
    assert checkpoint_root(tmp_path, views) == checkpoint_root(tmp_path, list(views))
    assert checkpoint_root(tmp_path, views) != checkpoint_root(tmp_path, views[1:])
