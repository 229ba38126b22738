"""Where the rows of a view are in the offline store."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from feature_repo.offline_snapshot import SnapshotState
from features.fields import Bool, Decimal, FieldType, Float64, Int64, String, TimestampMs
from features.fingerprint import view_fingerprint
from features.view import FeatureView

EVENT_TIMESTAMP = "event_timestamp"
WINDOW_END = "window_end"

_INSTANT = pa.timestamp("us", tz="UTC")

_SIMPLE_TYPES: dict[type[FieldType], "pa.DataType[Any]"] = {
    Int64: pa.int64(),
    TimestampMs: pa.int64(),
    Float64: pa.float64(),
    Bool: pa.bool_(),
    String: pa.string(),
}


def arrow_type(field_type: FieldType) -> "pa.DataType[Any]":
    """Arrow type of the values of a column."""
    if isinstance(field_type, Decimal):
        return pa.decimal128(field_type.precision, field_type.scale)
    return _SIMPLE_TYPES[type(field_type)]


def view_id(view: FeatureView) -> str:
    """Name of one definition of a view, `<view>-<fingerprint>`."""
    return f"{view.name}-{view_fingerprint(view)}"


def offline_path(root: Path, view: FeatureView) -> Path:
    """Directory of the Parquet files of one definition of a view; it links to a snapshot of them.

    Args:
        root: root of the offline store.
        view: the definition; another fingerprint has another directory.
    """
    return root / view_id(view)


def complete_until_ms(root: Path, view: FeatureView) -> int | None:
    """Newest window end up to which the offline rows are all there, milliseconds.

    None if nothing is known: no backfill and no archive has written the rows.

    Args:
        root: root of the offline store.
        view: the definition.
    """
    return SnapshotState.read(offline_path(root, view)).complete_until_ms


def history_horizon_ms(root: Path, view: FeatureView) -> int | None:
    """Newest window end that the last backfill wrote, milliseconds; None without a backfill.

    Args:
        root: root of the offline store.
        view: the definition.
    """
    return SnapshotState.read(offline_path(root, view)).horizon_ms


def offline_schema(view: FeatureView) -> pa.Schema:
    """Columns of the rows of a view: join keys, when the row was known, window end, features."""
    return pa.schema(
        [
            *(pa.field(key.name, arrow_type(key.type), nullable=False) for key in view.join_keys),
            pa.field(EVENT_TIMESTAMP, _INSTANT, nullable=False),
            pa.field(WINDOW_END, _INSTANT, nullable=False),
            *(
                pa.field(item.name, arrow_type(item.type), nullable=item.nullable)
                for item in view.features
            ),
        ]
    )


def offline_table(view: FeatureView, columns: "Sequence[pa.Array[Any]]") -> pa.Table:
    """Add when each row was known.

    Args:
        view: the definition.
        columns: join keys, window ends in milliseconds since the epoch, features.
    """
    keys = len(view.join_keys)
    ends_ms = columns[keys].to_numpy().astype(np.int64)
    known, ends = (
        pa.array(epoch_ms.astype("datetime64[ms]")).cast(_INSTANT)
        for epoch_ms in (ends_ms + view.source.lateness_ms, ends_ms)
    )
    rows = [*columns[:keys], known, ends, *columns[keys + 1 :]]
    return pa.Table.from_arrays(rows, schema=offline_schema(view))


def table_of_rows(view: FeatureView, rows: Sequence[tuple[Any, ...]]) -> pa.Table:
    """Return offline rows from tuples.

    Args:
        view: the definition.
        rows: join keys, window end in milliseconds since the epoch, features; at least one row.
    """
    types = [
        *(arrow_type(key.type) for key in view.join_keys),
        pa.int64(),
        *(arrow_type(item.type) for item in view.features),
    ]
    columns = zip(*rows, strict=True)
    return offline_table(
        view, [pa.array(values, type_) for values, type_ in zip(columns, types, strict=True)]
    )
