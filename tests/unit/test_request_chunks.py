"""Requests chunk by chunk are the requests of the whole file."""

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.source import EVENT_TIME_MS
from models.request_chunks import RequestChunks, regrouped
from models.request_file import RequestFileError, read_requests
from tests.tiny_model import service

COLUMNS = ["event_time_ms", "event_timestamp", "card", "country", "amount", "event_id"]


def requests(n: int) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "event_time": [f"2024-03-01T00:00:{row % 60:02}Z" for row in range(n)],
            "event_id": [f"r{row}" for row in range(n)],
            "card": ["007" if row % 3 else None for row in range(n)],
            "country": ["NA" if row % 2 else None for row in range(n)],
            "amount": pd.array([row if row % 5 else None for row in range(n)], dtype="Int64"),
            # Only the last rows tell that it is no number.
            "note": ["7" if row < n - 1 else "x" for row in range(n)],
        }
    )


def written(path: Path, frame: pd.DataFrame, **options: Any) -> Path:
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path, index=False, **options)
    return path


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize("chunk_rows", [1, 7, 20, 21])
def test_all_chunks_are_the_file(tmp_path: Path, suffix: str, chunk_rows: int) -> None:
    options = {"row_group_size": 6} if suffix == ".parquet" else {}
    path = written(tmp_path / f"r{suffix}", requests(20), **options)
    expected = read_requests(path, service)

    opened = RequestChunks(path, service, as_of_ms=None, chunk_rows=chunk_rows)
    chunks = list(opened.read())

    assert [len(chunk.requests) for chunk in chunks[:-1]] == [chunk_rows] * (len(chunks) - 1)
    assert [chunk.given.num_rows for chunk in chunks] == [len(chunk.requests) for chunk in chunks]
    together = pd.concat([chunk.requests for chunk in chunks], ignore_index=True)
    pd.testing.assert_frame_equal(together[COLUMNS], expected[COLUMNS])
    given = pa.concat_tables([chunk.given for chunk in chunks])
    assert given.column_names == requests(1).columns.tolist()
    assert given.column("note").to_pylist() == requests(20)["note"].tolist()
    assert given.column("country").to_pylist() == requests(20)["country"].tolist()
    later = list(opened.read(2))
    assert [chunk.given for chunk in later] == [chunk.given for chunk in chunks[2:]]
    assert opened.rows == (20 if suffix == ".parquet" else None)


def test_a_parquet_file_keeps_its_types(tmp_path: Path) -> None:
    path = tmp_path / "r.parquet"
    table = pa.table(
        {
            "event_time_ms": pa.array([1, 2, 3], pa.int32()),
            "card": pa.array(["a", "b", "a"]).dictionary_encode(),
            "country": ["de", None, "fr"],
            "amount": pa.array([1, None, 3], pa.uint16()),
            "tags": [["x"], None, []],
        }
    )
    pq.write_table(table, path)
    opened = RequestChunks(path, service, as_of_ms=None, chunk_rows=2)
    chunks = list(opened.read())
    assert pa.concat_tables([chunk.given for chunk in chunks]).equals(table)
    assert chunks[0].requests["amount"].tolist() == [1, pd.NA]
    assert chunks[0].requests["card"].tolist() == ["a", "b"]


def test_one_time_for_all(tmp_path: Path) -> None:
    path = written(tmp_path / "r.csv", requests(3).drop(columns="event_time"))
    with pytest.raises(RequestFileError, match="got no column event_time_ms or event_timestamp"):
        RequestChunks(path, service, as_of_ms=None, chunk_rows=2)
    (chunk,) = RequestChunks(path, service, as_of_ms=1_500, chunk_rows=9).read()
    assert chunk.requests[EVENT_TIME_MS].tolist() == [1_500] * 3
    assert (
        chunk.requests["event_timestamp"].tolist() == [pd.Timestamp("1970-01-01T00:00:01.5Z")] * 3
    )
    # It comes before times of the file.
    path = written(tmp_path / "timed.csv", requests(3))
    (chunk,) = RequestChunks(path, service, as_of_ms=1_500, chunk_rows=9).read()
    assert chunk.requests[EVENT_TIME_MS].tolist() == [1_500] * 3


def test_a_bad_row_is_named_by_its_place_in_the_file(tmp_path: Path) -> None:
    frame = requests(9).astype({"amount": object})
    frame.loc[7, "amount"] = "many"
    path = written(tmp_path / "r.csv", frame)
    chunks = RequestChunks(path, service, as_of_ms=None, chunk_rows=3).read()
    with pytest.raises(RequestFileError, match=r"r.csv, row 8, column amount: got 'many'"):
        list(chunks)


def test_files_without_rows_or_with_torn_ones(tmp_path: Path) -> None:
    for suffix in (".csv", ".parquet"):
        path = written(tmp_path / f"none{suffix}", requests(0))
        with pytest.raises(RequestFileError, match="got no rows; a prediction needs a request"):
            list(RequestChunks(path, service, as_of_ms=None, chunk_rows=3).read())
    path = written(tmp_path / "r.csv", requests(3))
    with path.open("a") as file:
        file.write("1,2,3,4,5,6,7,8\n")
    with pytest.raises(RequestFileError, match=r"r.csv: it cannot be read \("):
        list(RequestChunks(path, service, as_of_ms=None, chunk_rows=2).read())
    path = written(tmp_path / "shifted.csv", requests(3))
    first, *others = path.read_text().splitlines()
    path.write_text("\n".join([first, *(f"{line}," for line in others)]))
    for read in (
        lambda: list(RequestChunks(path, service, as_of_ms=0, chunk_rows=2).read()),
        lambda: read_requests(path, service),
    ):
        with pytest.raises(RequestFileError, match="more cells than its first line has names"):
            read()
    with pytest.raises(RequestFileError, match=r"gone.parquet: it cannot be read \("):
        RequestChunks(tmp_path / "gone.parquet", service, as_of_ms=None, chunk_rows=2)


@pytest.mark.parametrize("rows", [1, 2, 5, 6, 100])
@pytest.mark.parametrize("sizes", [[6], [1, 2, 3], [5, 1], [0, 6, 0], [1] * 6, [2, 2, 2]])
def test_regrouped(rows: int, sizes: list[int]) -> None:
    starts = [sum(sizes[:place]) for place in range(len(sizes))]
    tables = [
        pa.table({"n": pa.array(range(start, start + size), pa.int64())})
        for start, size in zip(starts, sizes, strict=True)
    ]
    groups = [table.column("n").to_pylist() for table in regrouped(tables, rows)]
    numbers = list(range(6))
    assert groups == [numbers[start : start + rows] for start in range(0, 6, rows)]
