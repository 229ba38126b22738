"""Rows of one view that wait until all rows of their window end are there."""

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

from feature_repo.offline_snapshot import Partition
from feature_repo.writer import InputSlice
from features.errors import SamestreamError
from features.view import FeatureView

# Join keys, window end in milliseconds, features.
OfflineRow = tuple[Any, ...]


class ProgressError(SamestreamError, RuntimeError):
    """Feature rows and progress that contradict each other."""


@dataclass(frozen=True)
class _WindowEnd:
    """The rows that are there of one window end, by key, and where they were read."""

    rows: dict[Any, OfflineRow] = field(default_factory=dict)
    read_from: dict[Partition, int] = field(default_factory=dict)
    read: Counter[Partition] = field(default_factory=Counter)


@dataclass(frozen=True, kw_only=True)
class _Told:
    """How many rows a window end has, and where that was read."""

    end_ms: int
    row_count: int
    read_from: int


class PendingRows:
    """Takes rows and progress as they come; gives rows of complete window ends, in order, once.

    A window end is complete when it has as many rows as its progress says, and every earlier
    progress is complete. What a restarted job tells again changes nothing.

    Attributes:
        waiting: rows, or progress, that wait, by the topic and partition they were read from.
    """

    def __init__(
        self,
        view: FeatureView,
        *,
        complete_until_ms: int | None,
        positions: Mapping[Partition, int],
    ) -> None:
        """Continue after a window end.

        Args:
            view: the view.
            complete_until_ms: newest window end that is known already; None for none.
            positions: from where the later ones are read, by topic and partition.
        """
        self._view = view
        self._complete_until_ms = self._told_until_ms = complete_until_ms
        self._next = dict(positions)
        names = [key.name for key in view.join_keys]
        self._key = itemgetter(*names)
        columns = [*names, "window_end_ms", *(item.name for item in view.features)]
        self._row = itemgetter(*columns)
        self._ends: dict[int, _WindowEnd] = {}
        self._told: deque[_Told] = deque()
        self._told_at: Partition | None = None
        self.waiting: Counter[Partition] = Counter()

    @property
    def complete_until_ms(self) -> int | None:
        """Newest complete window end."""
        return self._complete_until_ms

    @property
    def positions(self) -> dict[Partition, int]:
        """From where everything can be read again that is not complete."""
        positions = dict(self._next)
        for end in self._ends.values():
            for at, offset in end.read_from.items():
                positions[at] = min(positions[at], offset)
        if self._told and self._told_at is not None:
            positions[self._told_at] = self._told[0].read_from
        return positions

    def add_rows(self, source: InputSlice, rows: Iterable[Mapping[str, Any]]) -> None:
        """Take rows of this view."""
        at = (source.topic, source.partition)
        self._next[at] = source.next_offset
        for row in rows:
            end_ms = row["window_end_ms"]
            if self._complete_until_ms is not None and end_ms <= self._complete_until_ms:
                continue
            end = self._ends.setdefault(end_ms, _WindowEnd())
            key = self._key(row)
            if key not in end.rows:
                end.rows[key] = self._row(row)
                end.read_from.setdefault(at, source.first_offset)
                end.read[at] += 1
                self.waiting[at] += 1

    def add_progress(self, source: InputSlice, records: Iterable[Mapping[str, Any]]) -> None:
        """Take progress of this view; a slice without any also has to be told."""
        at = self._told_at = (source.topic, source.partition)
        self._next[at] = source.next_offset
        for record in records:
            end_ms = record["window_end_ms"]
            if self._told_until_ms is None or end_ms > self._told_until_ms:
                self._told_until_ms = end_ms
                told = _Told(
                    end_ms=end_ms, row_count=record["row_count"], read_from=source.first_offset
                )
                self._told.append(told)
                self.waiting[at] += 1

    def take(self) -> list[OfflineRow]:
        """Give the rows of every window end that is complete now.

        Raises:
            ProgressError: A window end has more rows than its progress says.
        """
        taken: list[OfflineRow] = []
        while self._told and self._told_at is not None:
            told = self._told[0]
            end = self._ends.get(told.end_ms, _WindowEnd())
            if len(end.rows) > told.row_count:
                msg = (
                    f"view {self._view.name!r}, window end {told.end_ms}: got {len(end.rows)} "
                    f"rows, its progress says {told.row_count}"
                )
                raise ProgressError(msg)
            if len(end.rows) < told.row_count:
                break
            taken += end.rows.values()
            self._told.popleft()
            self._ends.pop(told.end_ms, None)
            self._complete_until_ms = told.end_ms
            self.waiting.subtract(end.read)
            self.waiting[self._told_at] -= 1
        return taken
