"""Putting the rows of a backfill in the place of the former ones."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from feature_repo.offline import ROWS_FILE, offline_path, offline_schema
from features.view import FeatureView


def publish(view: FeatureView, written: Path, offline_dir: Path) -> int:
    """Replace the offline rows of a view by those that a job wrote; return their number.

    One file takes the place of the former one in one step: readers see the old rows or the new.

    Args:
        view: the view.
        written: directory with the job's files, none without rows; on the file system of
            `offline_dir`.
        offline_dir: root of the offline store.
    """
    ready = written.with_name(f"{written.name}.ready")
    ready.parent.mkdir(parents=True, exist_ok=True)
    rows = 0
    with pq.ParquetWriter(str(ready), offline_schema(view)) as writer:
        for part in sorted(written.glob("part-*")):
            for batch in pq.ParquetFile(str(part)).iter_batches():
                writer.write_table(_offline_rows(view, batch))
                rows += int(batch.num_rows)
    published = offline_path(offline_dir, view)
    published.mkdir(parents=True, exist_ok=True)
    ready.replace(published / ROWS_FILE)
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
