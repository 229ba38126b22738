"""Requests from a table file of any size, chunk by chunk."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from features.errors import SamestreamError
from features.service import FeatureService
from models.request_file import (
    RequestFileError,
    check_columns,
    check_suffix,
    not_shifted,
    parse_requests,
    text_columns,
)

# Of each column of a Parquet file; without it a whole row group would be in memory.
_BUFFER_BYTES = 2**18

# Else a column of integers with a null becomes floating-point.
_NULLABLE: dict[Any, Any] = {
    pa.int8(): pd.Int8Dtype(),
    pa.int16(): pd.Int16Dtype(),
    pa.int32(): pd.Int32Dtype(),
    pa.int64(): pd.Int64Dtype(),
    pa.uint8(): pd.UInt8Dtype(),
    pa.uint16(): pd.UInt16Dtype(),
    pa.uint32(): pd.UInt32Dtype(),
    pa.uint64(): pd.UInt64Dtype(),
    pa.bool_(): pd.BooleanDtype(),
}


@dataclass(frozen=True, kw_only=True)
class RequestChunk:
    """Some consecutive rows of a table file.

    Attributes:
        given: the rows as they are in the file; all columns of a CSV file are text.
        requests: the same rows as `models.request_file.parse_requests` gives them.
    """

    given: pa.Table
    requests: pd.DataFrame


class RequestChunks:
    """The requests of a Parquet or CSV file, in its order."""

    def __init__(
        self, path: Path, service: FeatureService, *, as_of_ms: int | None, chunk_rows: int
    ) -> None:
        """Open the file and check its columns.

        Args:
            path: of the file, which is of a kind by its suffix.
            service: tells the request fields.
            as_of_ms: time of all requests; without it the file has the times.
            chunk_rows: how many rows a chunk has, but for the last one.

        Raises:
            RequestFileError: The file cannot be read, or a column is missing.
        """
        self.path = path
        self._service = service
        self._as_of_ms = as_of_ms
        self._chunk_rows = chunk_rows
        self._is_parquet = check_suffix(path) == ".parquet"
        self.rows: int | None = None
        """How many rows there are; None for a CSV file, where nobody knows before the end."""
        try:
            if self._is_parquet:
                with pq.ParquetFile(str(path)) as file:
                    self.rows = file.metadata.num_rows
                    self.schema = file.schema_arrow.remove_metadata()
            else:
                names = pd.read_csv(path, nrows=0).columns
                self.schema = pa.schema([(name, pa.string()) for name in names])
        except (OSError, ValueError) as error:
            raise _unreadable(path, error) from error
        check_columns(path, service, self.schema.names, timed=as_of_ms is None)

    def read(self, first: int = 0) -> Iterator[RequestChunk]:
        """Read the chunks from one of them on.

        Args:
            first: number of the chunk to begin with, from 0.

        Raises:
            RequestFileError: A row cannot be read.
        """
        names = [name for name in text_columns(self._service) if name in self.schema.names]
        number = first - 1
        for number, given in enumerate(islice(self._tables(), first, None), start=first):
            requests = parse_requests(
                self.path,
                self._service,
                given.select(names).to_pandas(types_mapper=_NULLABLE.get, ignore_metadata=True),
                first_row=number * self._chunk_rows + 1,
                as_of_ms=self._as_of_ms,
            )
            yield RequestChunk(given=given, requests=requests)
        if number < 0:
            msg = f"{self.path}: got no rows; a prediction needs a request"
            raise RequestFileError(msg)

    def _tables(self) -> Iterator[pa.Table]:
        parts = self._parquet_parts() if self._is_parquet else self._csv_parts()
        try:
            yield from regrouped(parts, self._chunk_rows)
        except (OSError, ValueError) as error:
            if isinstance(error, SamestreamError):
                raise
            raise _unreadable(self.path, error) from error

    def _parquet_parts(self) -> Iterator[pa.Table]:
        with pq.ParquetFile(str(self.path), buffer_size=_BUFFER_BYTES) as file:
            for batch in file.iter_batches(self._chunk_rows):
                # The metadata would tell pandas of an index that the answer does not have.
                yield pa.Table.from_batches([batch]).replace_schema_metadata()

    def _csv_parts(self) -> Iterator[pa.Table]:
        with pd.read_csv(
            self.path,
            chunksize=self._chunk_rows,
            dtype=str,
            keep_default_na=False,
            na_values=[""],
        ) as frames:
            for frame in frames:
                not_shifted(self.path, frame)
                columns = {
                    name: pa.array(frame[name], type=pa.string(), from_pandas=True)
                    for name in frame.columns
                }
                yield pa.table(columns)


def regrouped(tables: Iterable[pa.Table], rows: int) -> Iterator[pa.Table]:
    """Cut tables anew, so that all but the last have the same number of rows.

    Args:
        tables: of one schema.
        rows: how many rows each has, in one piece.
    """
    held: list[pa.Table] = []
    waiting = 0
    for table in tables:
        held.append(table)
        waiting += table.num_rows
        if waiting >= rows:
            whole = pa.concat_tables(held)
            for start in range(0, waiting - rows + 1, rows):
                yield whole.slice(start, rows).combine_chunks()
            held, waiting = [whole.slice(waiting - waiting % rows)], waiting % rows
    if waiting:
        yield pa.concat_tables(held).combine_chunks()


def _unreadable(path: Path, error: Exception) -> RequestFileError:
    return RequestFileError(f"{path}: it cannot be read ({str(error).splitlines()[0]})")
