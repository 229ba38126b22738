"""The highest scores of many files, against a sort of all of them."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from streaming.batch.highest import Top, TopError, highest, parse_top


def chunks(directory: Path, sizes: list[int]) -> tuple[list[Path], list[tuple[float, int]]]:
    """Files with few different scores and some nulls; also (score, number) of rows with a score."""
    random = np.random.default_rng(sum(sizes))
    files, rows, first = [], [], 0
    for size in sizes:
        scores = random.integers(0, 7, size).astype(np.float32) / np.float32(7)
        nulls = random.random(size) < 0.2
        numbers = np.arange(first, first + size)
        path = directory / f"chunk-{len(files)}.parquet"
        pq.write_table(pa.table({"score": pa.array(scores, mask=nulls), "number": numbers}), path)
        rows += [
            (float(score), int(number))
            for score, number, null in zip(scores, numbers, nulls, strict=True)
            if not null
        ]
        files.append(path)
        first += size
    return files, rows


@pytest.mark.parametrize("text", ["1", "5%", "20", "33.3%", "100%", "1000"])
@pytest.mark.parametrize("sizes", [[100], [40, 1, 59], [7] * 15])
@pytest.mark.parametrize("block_rows", [3, 1_000])
def test_as_a_sort_of_everything(
    tmp_path: Path, text: str, sizes: list[int], block_rows: int
) -> None:
    files, rows = chunks(tmp_path, sizes)
    top = parse_top(text)
    found = pa.concat_tables(highest(files, top, block_rows=block_rows)).to_pylist()
    expected = sorted(rows, key=lambda row: (-row[0], row[1]))[: top.rows(len(rows))]
    assert [(row["score"], row["number"]) for row in found] == expected


def test_without_any_score_there_is_no_row(tmp_path: Path) -> None:
    path = tmp_path / "chunk.parquet"
    pq.write_table(pa.table({"score": pa.array([None, None], pa.float32())}), path)
    assert list(highest([path], parse_top("5%"), block_rows=10)) == []


@pytest.mark.parametrize(
    ("text", "scored", "rows"),
    [("5%", 100, 5), ("5%", 101, 6), ("0.1%", 1, 1), ("100%", 7, 7), ("10", 7, 7), ("3", 7, 3)],
)
def test_a_share_is_rounded_up(text: str, scored: int, rows: int) -> None:
    assert parse_top(text).rows(scored) == rows


@pytest.mark.parametrize("text", ["", "0", "0%", "101%", "1.5", "-1", "5 %", "five", "%"])
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(TopError, match=r"--top: got .*; allowed is a number of rows such as 100"):
        parse_top(text)


def test_a_top_says_what_it_is() -> None:
    assert parse_top("5%") == Top(number=parse_top("5").number, is_share=True)
