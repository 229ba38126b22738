"""Putting the rows of a backfill in the place of the former ones."""

import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pyarrow.parquet as pq

from feature_repo.directory_lock import directory_lock
from feature_repo.offline import offline_schema, offline_table
from feature_repo.offline_history import replace_history
from feature_repo.offline_parts import write_part
from feature_repo.offline_snapshot import Part
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
    with ExitStack() as held:
        try:
            held.enter_context(directory_lock(offline_dir, wait=False))
        except BlockingIOError as error:
            msg = f"{offline_dir}: another backfill is writing to it; wait for its end"
            raise OfflineDirectoryError(msg) from error
        _remove_working_directories(offline_dir)
        try:
            yield Path(tempfile.mkdtemp(prefix=_PREFIX, dir=offline_dir.absolute()))
        finally:
            # Again those of others: a JVM ends, and stops writing, a little after its backfill.
            _remove_working_directories(offline_dir)


def _remove_working_directories(offline_dir: Path) -> None:
    for directory in offline_dir.glob(f"{_PREFIX}*"):
        shutil.rmtree(directory, ignore_errors=True)


def publish(
    views: Iterable[FeatureView],
    written: Path,
    offline_dir: Path,
    horizons_ms: Mapping[str, int],
) -> dict[str, int]:
    """Replace the offline rows of views by those that a job wrote; return their numbers by name.

    The rows of a view are replaced in one step: readers see the old ones or the new. Those of the
    first view are replaced when all are ready. What the archive wrote after the horizon stays.

    Args:
        views: the views.
        written: a directory with the job's files for each view by its name, none without rows; on
            the file system of `offline_dir`.
        offline_dir: root of the offline store.
        horizons_ms: newest window end that the job wrote, milliseconds, of each source by its name.
    """
    views = tuple(views)
    ready = {view.name: written / f"{view.name}.ready" for view in views}
    written.mkdir(parents=True, exist_ok=True)
    parts = {view.name: _write(view, written / view.name, ready[view.name]) for view in views}
    for view in views:
        horizon_ms = horizons_ms[view.source.name]
        replace_history(offline_dir, view, ready[view.name], parts[view.name], horizon_ms)
    return {name: part.rows for name, part in parts.items()}


def _write(view: FeatureView, directory: Path, ready: Path) -> Part:
    """Write all files of the rows of a view to one, to disk."""
    tables = (
        # Flink cannot mark instants in Parquet as UTC.
        offline_table(view, batch.columns)
        for path in sorted(directory.glob("part-*"))
        for batch in pq.ParquetFile(str(path)).iter_batches()
    )
    return write_part(ready, offline_schema(view), tables)
