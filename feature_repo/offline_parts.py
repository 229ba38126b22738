"""Parquet files of offline rows: written to disk, cut, merged."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from feature_repo.offline import WINDOW_END
from feature_repo.offline_snapshot import Part
from features.instant import from_ms, to_ms

# This many files of one level become one of the next.
_FAN_IN = 8
# A larger file stays as it is: to write it again would take longer than it saves readers.
_LARGEST_MERGED_ROWS = 1_000_000
_ROW_GROUP_ROWS = 65_536


def write_part(path: Path, schema: pa.Schema, tables: Iterable[pa.Table], level: int = 0) -> Part:
    """Write rows to a file, to disk.

    Args:
        path: the file.
        schema: of the tables.
        tables: the rows, of any number of tables.
        level: how often they have been merged.
    """
    rows = 0
    ends: list[int] = []
    with path.open("wb") as file:
        with pq.ParquetWriter(file, schema) as writer:
            for table in _row_groups(tables):
                writer.write_table(table)
                rows += int(table.num_rows)
                bounds = pc.min_max(table[WINDOW_END]).as_py()
                ends += map(to_ms, bounds.values())
        file.flush()
        os.fsync(file.fileno())
    return Part(
        name=path.name,
        rows=rows,
        first_end_ms=min(ends, default=None),
        last_end_ms=max(ends, default=None),
        level=level,
    )


def rows_after(path: Path, end_ms: int) -> Iterator[pa.Table]:
    """Yield the rows of a file whose window ends after an instant, milliseconds."""
    end = pa.scalar(from_ms(end_ms), pa.timestamp("us", tz="UTC"))
    for table in _tables(path):
        yield table.filter(pc.greater(table[WINDOW_END], end))


def merged(
    parts: Sequence[Part],
    schema: pa.Schema,
    path_of: Callable[[Part], Path],
    new_file: Callable[[], Path],
) -> list[Part]:
    """Merge files so that their number grows only with the logarithm of the rows.

    Args:
        parts: in the order of time.
        schema: of the rows.
        path_of: where a part is.
        new_file: names a file for merged rows.
    """
    kept = [part for part in parts if part.rows]
    while (first := _to_merge(kept)) is not None:
        tables = (table for part in kept[first:] for table in _tables(path_of(part)))
        kept[first:] = [write_part(new_file(), schema, tables, kept[first].level + 1)]
    return kept or list(parts[-1:])


def _to_merge(parts: Sequence[Part]) -> int | None:
    """Return where the newest files begin that are enough of one level."""
    newest = parts[-_FAN_IN:]
    if len(newest) < _FAN_IN or any(part.rows >= _LARGEST_MERGED_ROWS for part in newest):
        return None
    return len(parts) - _FAN_IN if len({part.level for part in newest}) == 1 else None


def _tables(path: Path) -> Iterator[pa.Table]:
    for batch in pq.ParquetFile(str(path)).iter_batches():
        yield pa.Table.from_batches([batch])


def _row_groups(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Gather small tables; without rows there is none."""
    gathered: list[pa.Table] = []
    for table in tables:
        if table.num_rows:
            gathered.append(table)
        if sum(each.num_rows for each in gathered) >= _ROW_GROUP_ROWS:
            yield pa.concat_tables(gathered)
            gathered = []
    if gathered:
        yield pa.concat_tables(gathered)
