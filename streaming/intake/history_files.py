"""History in Parquet or CSV files: checked, then sorted, however big it is."""

import csv
import decimal
import glob
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from features.errors import SamestreamError
from features.fields import Decimal
from features.source import EVENT_ID, EVENT_TIME, EVENT_TIME_MS, EventSource
from streaming.intake.event_order import Event
from streaming.intake.history_columns import (
    FileColumn,
    allowed_in_parquet,
    csv_column,
    expected_fields,
    identifier,
    parquet_column,
    text,
)

_PARQUET, _CSV = ".parquet", ".csv"
_FETCHED_ROWS = 10_000
# Each thread needs memory for itself.
_THREADS = 2
_CSV_ROW = re.compile(r"CSV Error on Line: (\d+)\n(?:Original Line: .*\n)?\s*(.+)")
_CSV_FILE = re.compile(r"\n\s*file = (.+)\n")

# (name, type) of each column of a Parquet file; names alone of a CSV file.
_Layout = tuple[tuple[str, str], ...]


class HistoryFileError(SamestreamError, ValueError):
    """A file of history that cannot be read; the message names file, column and row."""


@dataclass(frozen=True, kw_only=True)
class _Group:
    """Files with the same columns."""

    layout: _Layout
    columns: tuple[FileColumn, ...]
    paths: tuple[Path, ...]

    def read(self, paths: Sequence[Path] | None = None) -> str:
        """SQL of the rows of some of the files, by default of all."""
        files = ", ".join(text(glob.escape(str(path))) for path in paths or self.paths)
        if self.paths[0].suffix == _PARQUET:
            return f"read_parquet([{files}], hive_partitioning = false)"
        names = ", ".join(f"{text(name)}: 'VARCHAR'" for name, _ in self.layout)
        return (
            f"read_csv([{files}], auto_detect = false, header = true, columns = {{{names}}}, "
            "delim = ',', quote = '\"', escape = '\"', nullstr = '', allow_quoted_nulls = false, "
            "hive_partitioning = false)"
        )


class HistoryFiles:
    """The files of one source; rows and files may be in any order.

    A file has the columns `event_id`, `event_time` (an instant) or `event_time_ms`, and the fields
    of the source by name; others are ignored. In CSV, UTF-8 with a header, an empty field is null
    and `""` is empty text.

    Args:
        source: the source.
        patterns: globs, or directories in which every `.parquet` and `.csv` file counts.
        memory_mb: what sorting may take before it spills to disk.
        spill_dir: where it spills to.

    Raises:
        HistoryFileError: There are no files, or one lacks a column or has it in a wrong type.
    """

    def __init__(
        self, source: EventSource, patterns: Sequence[str], *, memory_mb: int, spill_dir: Path
    ) -> None:
        self._source = source
        self._connection = duckdb.connect(
            config={
                "memory_limit": f"{memory_mb}MB",
                "temp_directory": str(spill_dir),
                "threads": _THREADS,
            }
        )
        # What has no time zone is UTC.
        self._connection.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
        by_layout: dict[tuple[str, _Layout], list[Path]] = defaultdict(list)
        for path in _find(source, patterns):
            by_layout[path.suffix, self._layout(path)].append(path)
        self._groups = tuple(
            _Group(layout=layout, columns=self._columns(paths[0], layout), paths=tuple(paths))
            for (_, layout), paths in by_layout.items()
        )

    def __enter__(self) -> "HistoryFiles":
        """Nothing is read yet."""
        return self

    def __exit__(self, *error: object) -> None:
        """Give back the memory."""
        self._connection.close()

    def check(self) -> int:
        """Return the number of rows.

        Raises:
            HistoryFileError: A row without event time, or with a value of a wrong type.
        """
        rows = 0
        for group in self._groups:
            wrong = (f"count(*) FILTER ({column.wrong})" for column in group.columns)
            counts = self._row(f"FROM {group.read()} SELECT count(*), {', '.join(wrong)}")
            if any(counts[1:]):
                raise self._first_wrong(group)
            rows += counts[0]
        return rows

    def events(self, end_ms: int | None = None) -> Iterator[Event]:
        """Yield the events by (event time, event id), ties by content, up to an end (exclusive)."""
        names = (EVENT_ID, EVENT_TIME_MS, *(field.name for field in self._source.fields))
        decimals = tuple(f.name for f in self._source.fields if isinstance(f.type, Decimal))
        selects = []
        for group in self._groups:
            by_name = {column.target: column.value for column in group.columns}
            values = ", ".join(f"{by_name[name]} AS {identifier(name)}" for name in names)
            selects.append(f"FROM {group.read()} SELECT {values}")
        until = "" if end_ms is None else f" WHERE {EVENT_TIME_MS} < {end_ms}"
        order = ", ".join(map(identifier, (EVENT_TIME_MS, EVENT_ID, *names[2:])))
        self._execute(f"FROM ({' UNION ALL '.join(selects)}){until} ORDER BY {order}")
        while rows := self._fetched():
            for row in rows:
                event: dict[str, Any] = dict(zip(names, row, strict=True))
                for name in decimals:
                    if event[name] is not None:
                        event[name] = decimal.Decimal(event[name])
                yield event

    def _layout(self, path: Path) -> _Layout:
        if path.suffix == _CSV:
            return tuple((name, "") for name in _header(path))
        scan = f"read_parquet({text(glob.escape(str(path)))}, hive_partitioning = false)"
        try:
            self._connection.execute(f"DESCRIBE FROM {scan}")
        except duckdb.Error as error:
            msg = f"{path}: cannot be read as Parquet ({str(error).splitlines()[0]})"
            raise HistoryFileError(msg) from error
        return tuple((name, kind) for name, kind, *_ in self._connection.fetchall())

    def _columns(self, path: Path, layout: _Layout) -> tuple[FileColumn, ...]:
        types = dict(layout)
        if {EVENT_TIME.name, EVENT_TIME_MS} <= types.keys():
            msg = (
                f"{path}, column {EVENT_TIME_MS}, every row: got it beside {EVENT_TIME.name}; "
                "allowed is one of them"
            )
            raise HistoryFileError(msg)
        columns = []
        for field in expected_fields(self._source.fields, frozenset(types)):
            if field.name not in types:
                what = f"{EVENT_TIME.name} or " if field.name == EVENT_TIME_MS else ""
                msg = (
                    f"{path}, column {what}{field.name}, every row: missing; the file has "
                    f"{', '.join(types) or 'no columns'}"
                )
                raise HistoryFileError(msg)
            if path.suffix == _CSV:
                columns.append(csv_column(field))
                continue
            column = parquet_column(field, types[field.name])
            if column is None:
                msg = (
                    f"{path}, column {field.name}, every row: got {types[field.name]}; "
                    f"allowed for {field.type.word} is {allowed_in_parquet(field)}"
                )
                raise HistoryFileError(msg)
            columns.append(column)
        return tuple(columns)

    def _first_wrong(self, group: _Group) -> HistoryFileError:
        """Look for the first row that is wrong, file by file, as no scan of many numbers them."""
        for path in group.paths:
            cells = ", ".join(
                f"{column.wrong} AS wrong_{at}, {identifier(column.name)}::VARCHAR AS got_{at}"
                for at, column in enumerate(group.columns)
            )
            is_wrong = " OR ".join(f"wrong_{at}" for at in range(len(group.columns)))
            found = self._row(
                f"FROM (FROM {group.read([path])} SELECT row_number() OVER () AS number, {cells}) "
                f"WHERE {is_wrong} ORDER BY number LIMIT 1"
            )
            for at, column in enumerate(group.columns):
                if found and found[1 + 2 * at]:
                    got = found[2 + 2 * at]
                    return HistoryFileError(
                        f"{path}, column {column.name}, row {found[0]}: got "
                        f"{'null' if got is None else repr(got)}; allowed is {column.allowed}"
                    )
        return HistoryFileError(f"{group.paths[0]}: changed while it was read")

    def _row(self, query: str) -> tuple[Any, ...]:
        self._execute(query)
        return next(iter(self._fetched()), ())

    def _execute(self, query: str) -> None:
        with _readable():
            self._connection.execute(query)

    def _fetched(self) -> list[tuple[Any, ...]]:
        with _readable():
            return self._connection.fetchmany(_FETCHED_ROWS)


def _find(source: EventSource, patterns: Sequence[str]) -> list[Path]:
    found: set[Path] = set()
    for pattern in patterns:
        if Path(pattern).is_dir():
            inside = Path(pattern).rglob("*")
            files = {path for path in inside if path.is_file() and path.suffix in (_PARQUET, _CSV)}
        else:
            # Path.glob takes no absolute pattern.
            names = glob.glob(pattern, recursive=True)  # noqa: PTH207
            files = {path for path in map(Path, names) if path.is_file()}
        if not files:
            msg = (
                f"history of {source.name}: got {pattern!r}, which names no file; allowed is a "
                f"glob or a directory of {_PARQUET} or {_CSV} files"
            )
            raise HistoryFileError(msg)
        found |= files
    for path in found:
        if path.suffix not in (_PARQUET, _CSV):
            msg = f"{path}: got {path.suffix or 'no suffix'}; allowed are {_PARQUET} and {_CSV}"
            raise HistoryFileError(msg)
    return sorted(found)


def _header(path: Path) -> list[str]:
    try:
        with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
            names = next(csv.reader(file, strict=True), [])
    except (OSError, csv.Error) as error:
        msg = f"{path}, header: cannot be read ({error})"
        raise HistoryFileError(msg) from error
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        msg = f"{path}, column {doubled[0]}, header: named twice; names are unique"
        raise HistoryFileError(msg)
    return names


@contextmanager
def _readable() -> Iterator[None]:
    """Tell file and data row of an error in the text of a CSV file, else DuckDB's first line."""
    try:
        yield
    except duckdb.Error as error:
        message = str(error)
        row, file = _CSV_ROW.search(message), _CSV_FILE.search(message)
        what = f"history: cannot be read ({message.splitlines()[0]})"
        if row and file:
            what = f"{file[1]}, every column, row {int(row[1]) - 1}: {row[2].strip()}"
        raise HistoryFileError(what) from error
