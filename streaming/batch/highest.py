"""The rows with the highest scores, without a sort of all rows in memory."""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from features.errors import SamestreamError
from models.prediction_table import SCORE

_TEXT = re.compile(r"([0-9]+(?:\.[0-9]+)?)(%?)\Z")
_ALL_PERCENT = 100

Positions = npt.NDArray[np.int64]


class TopError(SamestreamError, ValueError):
    """A number of highest scores that means nothing."""


@dataclass(frozen=True, kw_only=True)
class Top:
    """How many of the highest scores are wanted.

    Attributes:
        number: rows or percent.
        is_share: whether it is percent of the rows that have a score, rounded up.
    """

    number: Decimal
    is_share: bool

    def rows(self, scored: int) -> int:
        """How many rows that is of so many with a score."""
        wanted = math.ceil(self.number * scored / _ALL_PERCENT) if self.is_share else self.number
        return min(int(wanted), scored)


def parse_top(text: str) -> Top:
    """Read `5%` or `100`.

    Raises:
        TopError: It is neither.
    """
    match = _TEXT.match(text)
    number = Decimal(match[1]) if match else Decimal(0)
    is_share = bool(match and match[2])
    if not number or (number > _ALL_PERCENT if is_share else number % 1):
        msg = f"--top: got {text!r}; allowed is a number of rows such as 100, or a share such as 5%"
        raise TopError(msg)
    return Top(number=number, is_share=is_share)


def highest(chunks: Sequence[Path], top: Top, *, block_rows: int) -> Iterator[pa.Table]:
    """Read the rows with the highest scores, highest first, equal ones in the order of the file.

    Args:
        chunks: Parquet files of predictions, in order.
        top: how many rows.
        block_rows: how many of them are in memory at once; for each so many, a file is beside
            the chunks meanwhile.
    """
    scored = sum(rows.num_rows - rows.column(SCORE).null_count for rows in map(_scores_of, chunks))
    order = _order(chunks, top.rows(scored))
    # Rank of each wanted row, by its position among all rows.
    by_position = np.argsort(order)
    positions = order[by_position]
    blocks = [chunks[0].with_name(f"block-{n}") for n in range(-(-len(order) // block_rows))]
    writers = {}
    start = 0
    for path in chunks:
        rows = pq.ParquetFile(str(path)).metadata.num_rows
        first, last = np.searchsorted(positions, [start, start + rows])
        if first < last:
            wanted = pq.read_table(str(path), memory_map=False).take(positions[first:last] - start)
            ranks = by_position[first:last]
            for number in np.unique(ranks // block_rows).tolist():
                inside = ranks // block_rows == number
                part = wanted.filter(pa.array(inside))
                part = part.append_column(_RANK, pa.array(ranks[inside]))
                if number not in writers:
                    writers[number] = pq.ParquetWriter(str(blocks[number]), part.schema)
                writers[number].write_table(part)
        start += rows
    for writer in writers.values():
        writer.close()
    for block in blocks:
        yield pq.read_table(str(block)).sort_by(_RANK).drop_columns([_RANK])


_RANK = "__rank"


def _scores_of(path: Path) -> pa.Table:
    return pq.read_table(str(path), columns=[SCORE])


def _order(chunks: Sequence[Path], wanted: int) -> Positions:
    """Positions of the rows with the highest scores, in that order."""
    scores, positions = np.empty(0, dtype=np.float32), np.empty(0, dtype=np.int64)
    start = 0
    for path in chunks:
        column = _scores_of(path).column(SCORE).combine_chunks()
        here = np.flatnonzero(column.is_valid().to_numpy(zero_copy_only=False))
        scores = np.append(scores, column.to_numpy(zero_copy_only=False)[here])
        positions = np.append(positions, here + start)
        start += len(column)
        if len(scores) > 2 * wanted:
            scores, positions = _cut(scores, positions, wanted)
    return _cut(scores, positions, wanted)[1]


def _cut(
    scores: npt.NDArray[np.float32], positions: Positions, wanted: int
) -> tuple[npt.NDArray[np.float32], Positions]:
    order = np.lexsort((positions, -scores))[:wanted]
    return scores[order], positions[order]
