"""Writing the predictions of a batch to the file that was asked for."""

import json
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq

from models.prediction_table import VECTOR
from models.request_chunks import regrouped
from models.request_file import RequestFileError, check_suffix
from streaming.batch.highest import Top, highest
from streaming.batch.job import written_whole

# Rows of a row group, whatever the chunks were.
GROUP_ROWS = 65_536


class _Writer(Protocol):
    def write_table(self, table: pa.Table) -> None: ...
    def close(self) -> None: ...


def check_result(out: Path, given: pa.Schema) -> None:
    """Refuse a file of predictions that could not be written in the end.

    Args:
        out: the file, by its suffix.
        given: the columns of the requests.

    Raises:
        RequestFileError: It is of no known kind, or a CSV file cannot hold a column.
    """
    if check_suffix(out) != ".csv":
        return
    for field in given:
        try:
            pcsv.write_csv(pa.schema([field]).empty_table(), pa.BufferOutputStream())
        except pa.ArrowException as error:
            msg = (
                f"{out}: got the column {field.name!r} of type {field.type}, which a CSV file "
                "cannot hold; write a .parquet file"
            )
            raise RequestFileError(msg) from error


def write_result(chunks: Sequence[Path], out: Path, top: Top | None) -> int:
    """Write the rows of all chunks, or those with the highest scores; return their number.

    Args:
        chunks: Parquet files of predictions, in order.
        out: Parquet or CSV file, by its suffix; it appears whole or not at all. In a CSV file a
            vector is a JSON array.
        top: how many of the highest scores, highest first; None for all rows in order.

    Raises:
        RequestFileError: It cannot be written.
    """
    is_csv = check_suffix(out) == ".csv"
    open_writer: Callable[[Path, pa.Schema], _Writer] = _csv_writer if is_csv else _parquet_writer
    tables = _all(chunks) if top is None else highest(chunks, top, block_rows=GROUP_ROWS)
    written = 0
    schema = pq.read_schema(str(chunks[0]))
    try:
        with written_whole(out) as temporary:
            writer = open_writer(temporary, _with_text_vectors(schema.empty_table(), is_csv).schema)
            for table in regrouped(tables, GROUP_ROWS):
                writer.write_table(_with_text_vectors(table, is_csv))
                written += table.num_rows
            writer.close()
    except (OSError, pa.ArrowException) as error:
        msg = f"{out}: it cannot be written ({str(error).splitlines()[0]})"
        raise RequestFileError(msg) from error
    return written


def _all(chunks: Sequence[Path]) -> Iterator[pa.Table]:
    for path in chunks:
        yield pq.read_table(str(path))


def _parquet_writer(path: Path, schema: pa.Schema) -> _Writer:
    writer: _Writer = pq.ParquetWriter(str(path), schema)
    return writer


def _csv_writer(path: Path, schema: pa.Schema) -> _Writer:
    writer: _Writer = pcsv.CSVWriter(str(path), schema)
    return writer


def _with_text_vectors(table: pa.Table, is_csv: bool) -> pa.Table:  # noqa: FBT001
    if not is_csv:
        return table
    texts = pa.array([_as_json(vector) for vector in table.column(VECTOR).to_pylist()], pa.string())
    return table.set_column(table.column_names.index(VECTOR), VECTOR, texts)


def _as_json(vector: list[Any] | None) -> str | None:
    if vector is None:
        return None
    return json.dumps([None if math.isnan(value) else value for value in vector])
