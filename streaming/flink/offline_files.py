"""Putting the rows of a backfill in the place of the former ones."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from feature_repo.offline import ROWS_FILE, offline_path, offline_schema
from features.errors import SamestreamError
from features.view import FeatureView

_PREFIX = ".backfill-"


class OfflineDirectoryError(SamestreamError, RuntimeError):
    """An offline store to which another backfill is writing."""


@contextmanager
def working_directory(offline_dir: Path) -> Iterator[Path]:
    """Give a backfill an absolute directory for what nobody shall see, hidden in the offline store.

    It is removed at the end, as is what backfills left that were killed.

    Args:
        offline_dir: root of the offline store; created if it does not exist.

    Raises:
        OfflineDirectoryError: Another backfill is writing to the offline store.
    """
    offline_dir.mkdir(parents=True, exist_ok=True)
    # The lock ends with the process, however it ends.
    lock = os.open(offline_dir, os.O_RDONLY)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            msg = f"{offline_dir}: another backfill is writing to it; wait for its end"
            raise OfflineDirectoryError(msg) from error
        _remove_working_directories(offline_dir)
        try:
            yield Path(tempfile.mkdtemp(prefix=_PREFIX, dir=offline_dir.absolute()))
        finally:
            # Again those of others: a JVM ends, and stops writing, a little after its backfill.
            _remove_working_directories(offline_dir)
    finally:
        os.close(lock)


def _remove_working_directories(offline_dir: Path) -> None:
    for directory in offline_dir.glob(f"{_PREFIX}*"):
        shutil.rmtree(directory, ignore_errors=True)


def publish(views: Iterable[FeatureView], written: Path, offline_dir: Path) -> dict[str, int]:
    """Replace the offline rows of views by those that a job wrote; return their numbers by name.

    For each view one file takes the place of the former one in one step: readers see the old rows
    or the new. The first one is replaced when all are ready.

    Args:
        views: the views.
        written: a directory with the job's files for each view by its name, none without rows; on
            the file system of `offline_dir`.
        offline_dir: root of the offline store.
    """
    views = tuple(views)
    ready = {view.name: written / f"{view.name}.ready" for view in views}
    rows = {view.name: _write(view, written / view.name, ready[view.name]) for view in views}
    for view in views:
        published = offline_path(offline_dir, view)
        published.mkdir(parents=True, exist_ok=True)
        ready[view.name].replace(published / ROWS_FILE)
    return rows


def _write(view: FeatureView, parts: Path, ready: Path) -> int:
    """Write all parts of the rows of a view to one file, to disk; return their number."""
    ready.parent.mkdir(parents=True, exist_ok=True)
    rows = 0
    with ready.open("wb") as file:
        with pq.ParquetWriter(file, offline_schema(view)) as writer:
            for part in sorted(parts.glob("part-*")):
                for batch in pq.ParquetFile(str(part)).iter_batches():
                    writer.write_table(_offline_rows(view, batch))
                    rows += int(batch.num_rows)
        file.flush()
        os.fsync(file.fileno())
    return rows


def _offline_rows(view: FeatureView, batch: pa.RecordBatch) -> pa.Table:
    """Add when each row was known; Flink cannot mark instants in Parquet as UTC."""
    keys = len(view.join_keys)
    ends_ms, features = batch.columns[keys].to_numpy(), batch.columns[keys + 1 :]
    known, ends = (
        pa.array(epoch_ms.astype("datetime64[ms]")).cast(pa.timestamp("us", tz="UTC"))
        for epoch_ms in (ends_ms + view.source.lateness_ms, ends_ms)
    )
    columns = [*batch.columns[:keys], known, ends, *features]
    return pa.Table.from_arrays(columns, schema=offline_schema(view))
