"""Where the rows of a view are in the offline store."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from features.fields import Bool, Decimal, FieldType, Float64, Int64, String, TimestampMs
from features.fingerprint import view_fingerprint
from features.view import FeatureView

EVENT_TIMESTAMP = "event_timestamp"
ROWS_FILE = "rows.parquet"

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
    """Directory of the Parquet part files of one definition of a view.

    Args:
        root: root of the offline store.
        view: the definition; another fingerprint has another directory.
    """
    return root / view_id(view)


def offline_schema(view: FeatureView) -> pa.Schema:
    """Columns of the rows of a view: join keys, when the row was known, window end, features."""
    instant = pa.timestamp("us", tz="UTC")
    return pa.schema(
        [
            *(pa.field(key.name, arrow_type(key.type), nullable=False) for key in view.join_keys),
            pa.field(EVENT_TIMESTAMP, instant, nullable=False),
            pa.field("window_end", instant, nullable=False),
            *(
                pa.field(item.name, arrow_type(item.type), nullable=item.nullable)
                for item in view.features
            ),
        ]
    )


def ensure_readable(root: Path, view: FeatureView) -> None:
    """Give a view that has no rows yet an empty file, because DuckDB refuses no files."""
    directory = offline_path(root, view)
    directory.mkdir(parents=True, exist_ok=True)
    if not any(directory.glob("*.parquet")):
        temporary = directory / ".empty.new"
        pq.write_table(pa.Table.from_pylist([], schema=offline_schema(view)), str(temporary))
        temporary.replace(directory / ROWS_FILE)
