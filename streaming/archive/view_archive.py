"""One view on its way from the feature topics to the offline store."""

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from feature_repo.offline_archive import OfflineArchive
from feature_repo.offline_snapshot import Partition
from feature_repo.writer import InputSlice
from features.view import FeatureView
from streaming.archive.pending import PendingRows


class ViewArchive:
    """Gathers the rows of complete window ends and writes them when they are many or old enough."""

    def __init__(
        self, root: Path, view: FeatureView, *, write_rows: int, write_seconds: float
    ) -> None:
        """Continue where the offline store says.

        Args:
            root: root of the offline store.
            view: the view.
            write_rows: so many rows are written at once.
            write_seconds: so long after a window end is complete its rows are written, many or few.

        Raises:
            UnknownRowsError: The files of the view are not those of a backfill or an archive.
        """
        self._offline = OfflineArchive(root, view)
        self._write_rows = write_rows
        self._write_seconds = write_seconds
        self._changed_at: float | None = None
        state = self._offline.state
        self._pending = PendingRows(
            view, complete_until_ms=state.complete_until_ms, positions=state.positions
        )

    @property
    def positions(self) -> Mapping[Partition, int]:
        """From where the view has to be read, by topic and partition; the start where not named."""
        return self._offline.state.positions

    @property
    def waiting(self) -> Counter[Partition]:
        """Rows, or progress, that wait, by the topic and partition they were read from."""
        return self._pending.waiting

    def add_rows(self, source: InputSlice, rows: Iterable[Mapping[str, Any]]) -> None:
        """Take rows."""
        self._pending.add_rows(source, rows)

    def add_progress(self, source: InputSlice, records: Iterable[Mapping[str, Any]]) -> None:
        """Take progress of this view; a slice without any also has to be told."""
        self._pending.add_progress(source, records)

    def advance(self) -> None:
        """Gather what is complete; write if it is time.

        Raises:
            RowsReplacedError: Somebody else has written to the offline rows of the view.
        """
        before = self._pending.complete_until_ms
        rows = self._pending.take()
        if rows:
            self._offline.gather(rows)
        now = time.monotonic()
        if self._changed_at is None and self._pending.complete_until_ms != before:
            self._changed_at = now
        if self._changed_at is not None and (
            self._offline.gathered_rows >= self._write_rows
            or now - self._changed_at >= self._write_seconds
        ):
            self.write()

    def write(self) -> None:
        """Write everything that is complete.

        Raises:
            RowsReplacedError: Somebody else has written to the offline rows of the view.
        """
        until_ms = self._pending.complete_until_ms
        if self._changed_at is not None and until_ms is not None:
            self._offline.write(complete_until_ms=until_ms, positions=self._pending.positions)
            self._changed_at = None
