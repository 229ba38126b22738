"""What became of the requests of a batch."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from features.service import FeatureService
from models.loading import Model
from models.prediction_table import REFUSED, mark_column


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Counts over all requests, also those whose rows were not asked for.

    Attributes:
        requests: how many there were.
        written: how many rows the file has.
        refused: how many were refused, by reason.
        marks: how many have a mark of a view, by (view, mark).
        model: name and version of the model.
    """

    requests: int
    written: int
    refused: dict[str, int]
    marks: dict[tuple[str, str], int]
    model: str

    def lines(self) -> list[str]:
        """Return the counts as sentences."""
        return [
            f"{self.requests:,} requests, {self.model}, {self.written:,} rows written",
            *(f"{n:,} requests refused: {reason}" for reason, n in sorted(self.refused.items())),
            *(f"{view}: {n:,} marked {mark}" for (view, mark), n in sorted(self.marks.items())),
        ]


def summary_of(
    service: FeatureService, model: Model, chunks: Sequence[Path], written: int
) -> Summary:
    """Count what is in the chunks.

    Args:
        service: that was asked.
        model: that scored.
        chunks: Parquet files of predictions.
        written: how many rows the file has.
    """
    columns = {mark_column(view.name): view.name for view in service.views}
    requests = 0
    refused: Counter[str] = Counter()
    marks: Counter[tuple[str, str]] = Counter()
    for path in chunks:
        table = pq.read_table(str(path), columns=[REFUSED, *columns])
        requests += table.num_rows
        for reason, n in _counts(table.column(REFUSED)):
            refused[reason] += n
        for column, view in columns.items():
            for mark, n in _counts(table.column(column)):
                marks[view, mark] += n
    return Summary(
        requests=requests,
        written=written,
        refused=dict(refused),
        marks=dict(marks),
        model=f"version {model.version} of {service.name}",
    )


def _counts(column: pa.ChunkedArray) -> list[tuple[str, int]]:
    counted = column.drop_null().value_counts()
    return [(item["values"].as_py(), item["counts"].as_py()) for item in counted]
