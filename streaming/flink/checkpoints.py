"""Retained checkpoints: where a job continues."""

import hashlib
import shutil
from collections.abc import Iterable
from pathlib import Path

from features.view import FeatureView
from streaming.flink.select import view_statements

_DIGITS = 12


def checkpoint_root(checkpoints: Path, views: Iterable[FeatureView]) -> Path:
    """Return the directory for the checkpoints of exactly this SQL.

    State of other SQL cannot be read: a changed definition starts from the beginning of the log.
    """
    text = "\n".join(statement for view in views for statement in view_statements(view))
    return checkpoints / f"live-{hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]}"


def keep_newest_checkpoint(root: Path) -> Path | None:
    """Return the newest complete checkpoint, None without one; delete what else is left there.

    Flink writes `<job id>/chk-<number>/_metadata` last. No job may be running on the directory.
    """
    complete = [metadata.parent for metadata in root.glob("*/chk-*/_metadata")]
    newest = max(complete, key=lambda path: (path / "_metadata").stat().st_mtime_ns, default=None)
    for left in [*root.glob("*/chk-*"), *root.glob("*")]:
        if newest is None or left not in (newest, newest.parent):
            shutil.rmtree(left, ignore_errors=True)
    return newest
