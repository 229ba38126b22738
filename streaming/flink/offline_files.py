"""Putting the Parquet files of a backfill in the place of the former ones."""

from pathlib import Path

import pyarrow.parquet as pq

from feature_repo.offline import ensure_readable, offline_path
from features.view import FeatureView


def publish(view: FeatureView, written: Path, published: Path) -> int:
    """Replace the offline rows of a view by those that a job wrote; return their number.

    Readers see the old rows, for an instant none, then the new ones; never both.

    Args:
        view: the view.
        written: root that the job wrote into, on the file system of `published`; the former rows
            are left there.
        published: root of the offline store.
    """
    new, old = offline_path(written, view), offline_path(published, view)
    # Flink names finished files without a suffix; the offline store reads *.parquet.
    for part in sorted(new.glob("part-*")):
        part.rename(part.with_name(f"{part.name}.parquet"))
    ensure_readable(written, view)
    rows = sum(int(pq.read_metadata(str(path)).num_rows) for path in new.glob("*.parquet"))
    if old.exists():
        old.rename(new.with_name(f"{new.name}.replaced"))
    new.rename(old)
    return rows
