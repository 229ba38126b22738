"""Requests from a table file, and the training set that is written back to one."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from features.errors import SamestreamError
from features.fields import FieldType, String, TimestampMs
from features.service import FeatureService
from features.source import EVENT_ID, EVENT_TIME, EVENT_TIME_MS
from models.cells import CellError, parse_cell
from models.dataset import EVENT_TIMESTAMP, OfflineFeatures, request_rows, training_set

# Where the time of a request may stand.
_TIMES = (EVENT_TIME_MS, EVENT_TIMESTAMP, EVENT_TIME.name)
_POSITION = "request__position"


class RequestFileError(SamestreamError, ValueError):
    """A table file that holds no requests of a service."""


def read_requests(path: Path, service: FeatureService) -> pd.DataFrame:
    """Read requests as Feast wants them, in the order of the file.

    The time of a request stands in `event_time_ms`, `event_timestamp` or `event_time`; a time
    without a zone is UTC. An empty cell of a CSV file is null.

    Args:
        path: a Parquet or CSV file, by its suffix.
        service: tells the request fields; those that its features do not depend on may be left
            out. Any other column of the file, a label for example, is kept as it is.

    Returns:
        The columns of the file, with `event_time_ms` and `event_timestamp` (microseconds, UTC).

    Raises:
        RequestFileError: The file, a column or a value is missing or cannot be read; it names
            column and row, the first row being 1.
    """
    table = _read(path, text=text_columns(service))
    check_columns(path, service, list(table.columns))
    if table.empty:
        msg = f"{path}: got no rows; a training set needs some requests"
        raise RequestFileError(msg)
    rows = parse_requests(path, service, table)
    carried = [name for name in table.columns if name not in rows.columns]
    return rows.assign(**{name: table[name] for name in carried})


def text_columns(service: FeatureService) -> tuple[str, ...]:
    """Names of the columns that `parse_requests` reads; those of a CSV file stay text for it."""
    return (*_types(service), *_TIMES)


def parse_requests(
    path: Path,
    service: FeatureService,
    table: pd.DataFrame,
    *,
    first_row: int = 1,
    as_of_ms: int | None = None,
) -> pd.DataFrame:
    """Parse rows of a table file into requests, without its other columns.

    Args:
        path: of the file, for messages.
        service: tells the request fields.
        table: the rows; its columns are checked.
        first_row: number of the first of them in the file.
        as_of_ms: time of all requests; without it the table has the times.

    Raises:
        RequestFileError: A value cannot be read.
    """
    types = _types(service)
    known = [name for name in types if name in table.columns]
    values = {name: _values(path, table[name], types[name], first_row) for name in known}
    values[EVENT_TIME_MS] = (
        _times(path, table, first_row) if as_of_ms is None else [as_of_ms] * len(table)
    )
    absent = [name for name in (EVENT_ID, *service.request_types) if name not in values]
    none = [None] * len(table)
    requests = [
        dict(zip((*values, *absent), row, strict=True))
        for row in zip(*values.values(), *(none for _ in absent), strict=True)
    ]
    return request_rows(service, requests).drop(columns=absent)


def check_columns(
    path: Path, service: FeatureService, columns: Sequence[str], *, timed: bool = True
) -> None:
    """Refuse a table file that lacks a column or has a feature among its columns.

    Args:
        path: of the file, for messages.
        service: tells the request fields.
        columns: names of the columns of the file.
        timed: whether the file has to tell the time of each request.

    Raises:
        RequestFileError: It does.
    """
    needed = service.request_inputs
    missing = [name for name in needed if name not in columns]
    if timed and not set(columns) & set(_TIMES):
        missing.insert(0, " or ".join(_TIMES))
    if missing:
        msg = (
            f"{path}: got no column {', '.join(missing)}; service {service.name!r} needs the time "
            f"of the request and {', '.join(needed)}"
        )
        raise RequestFileError(msg)
    computed = {feature.name for view in service.views for feature in view.features}
    computed |= {feature.name for feature in service.on_demand}
    if taken := sorted(computed & set(columns)):
        msg = f"{path}: got the column {taken[0]!r}, which is a feature; allowed are other names"
        raise RequestFileError(msg)


def features_of(
    store: OfflineFeatures, service: FeatureService, requests: pd.DataFrame
) -> pd.DataFrame:
    """Ask Feast for the features as of each request; the requests keep their order.

    Args:
        store: a `feast.FeatureStore` to which the definitions are applied.
        service: its Feast namesake is asked for.
        requests: as `read_requests` returns them.
    """
    rows = requests.assign(**{_POSITION: range(len(requests))})
    if EVENT_ID not in rows:
        rows[EVENT_ID] = ""
    frame = training_set(store, service, rows).sort_values(_POSITION, ignore_index=True)
    names = [name for name in frame.columns if name not in requests.columns]
    return frame[[*requests.columns, *(n for n in names if n not in (_POSITION, EVENT_ID))]]


def write_table(frame: pd.DataFrame, path: Path) -> None:
    """Write a Parquet or CSV file, by its suffix; it appears whole or not at all."""
    write = _WRITERS[check_suffix(path)]
    temporary = path.with_name(f".{path.name}.new")
    try:
        write(frame, temporary)
        temporary.replace(path)
    except OSError as error:
        msg = f"{path}: it cannot be written ({error.strerror or error})"
        raise RequestFileError(msg) from error
    finally:
        temporary.unlink(missing_ok=True)


def check_suffix(path: Path) -> str:
    """Return the suffix of a table file; raise `RequestFileError` for one that is not known."""
    if path.suffix not in _WRITERS:
        msg = f"{path}: got the suffix {path.suffix!r}; allowed are {', '.join(_WRITERS)}"
        raise RequestFileError(msg)
    return path.suffix


def _read(path: Path, text: tuple[str, ...]) -> pd.DataFrame:
    try:
        if check_suffix(path) == ".parquet":
            # Else a column of integers with a null becomes floating-point.
            return pd.read_parquet(path, dtype_backend="numpy_nullable")
        return not_shifted(
            path,
            pd.read_csv(
                path, dtype=dict.fromkeys(text, "object"), keep_default_na=False, na_values=[""]
            ),
        )
    except (OSError, ValueError) as error:
        if isinstance(error, SamestreamError):
            raise
        msg = f"{path}: it cannot be read ({str(error).splitlines()[0]})"
        raise RequestFileError(msg) from error


def not_shifted(path: Path, frame: pd.DataFrame) -> pd.DataFrame:
    """Refuse a CSV file whose rows have more cells than names: pandas would shift the columns."""
    if not isinstance(frame.index, pd.RangeIndex):
        msg = f"{path}: got rows with more cells than its first line has names; allowed are as many"
        raise RequestFileError(msg)
    return frame


def _types(service: FeatureService) -> dict[str, FieldType]:
    types: dict[str, FieldType] = {field.name: field.type for field in service.request.fields}
    return {**types, EVENT_ID: String()}


def _values(path: Path, column: "pd.Series[Any]", type_: FieldType, first_row: int) -> list[Any]:
    values = []
    for row, cell in enumerate(column.tolist(), start=first_row):
        try:
            values.append(None if pd.isna(cell) else parse_cell(type_, cell))
        except CellError as error:
            msg = f"{path}, row {row}, column {column.name}: {error}"
            raise RequestFileError(msg) from error
    return values


def _times(path: Path, table: pd.DataFrame, first_row: int) -> list[int]:
    """Times of the requests; where several columns say it they agree."""
    given = {
        name: _values(path, table[name], TimestampMs(), first_row)
        for name in _TIMES
        if name in table.columns
    }
    for row, times in enumerate(zip(*given.values(), strict=True), start=first_row):
        if None in times:
            msg = f"{path}, row {row}, column {', '.join(given)}: got no time of the request"
            raise RequestFileError(msg)
        if len(set(times)) > 1:
            msg = (
                f"{path}, row {row}: got {' and '.join(given)} with different times {times} in "
                "milliseconds; allowed is one time"
            )
            raise RequestFileError(msg)
    return next(iter(given.values()))


def _write_parquet(frame: pd.DataFrame, path: Path) -> None:
    frame.to_parquet(path, index=False)


def _write_csv(frame: pd.DataFrame, path: Path) -> None:
    frame.to_csv(path, index=False)


_WRITERS: dict[str, Callable[[pd.DataFrame, Path], None]] = {
    ".parquet": _write_parquet,
    ".csv": _write_csv,
}
