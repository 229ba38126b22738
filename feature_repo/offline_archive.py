"""The offline rows of the live period, behind those of a backfill."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from feature_repo.offline import offline_path, offline_schema, table_of_rows, view_id
from feature_repo.offline_history import ensure_readable
from feature_repo.offline_parts import merged, write_part
from feature_repo.offline_snapshot import Partition, SnapshotState, next_snapshot
from features.errors import SamestreamError
from features.view import FeatureView


class UnknownRowsError(SamestreamError, ValueError):
    """Offline rows of which nobody knows up to where they are all there."""


class RowsReplacedError(SamestreamError, RuntimeError):
    """Offline rows that another writer has replaced since; nothing was appended."""


class OfflineArchive:
    """Appends rows to the offline rows of one view, together with where to continue.

    Rows, positions and how far the rows are complete change in one step, so a writer that was
    killed finds what belongs together.

    Attributes:
        state: of the snapshot that this archive continues.
        gathered_rows: number of rows that are not written yet.
    """

    def __init__(self, root: Path, view: FeatureView) -> None:
        """Read where to continue.

        Args:
            root: root of the offline store.
            view: the definition.

        Raises:
            UnknownRowsError: The files of the view are not those of a backfill or an archive.
        """
        self._root = root
        self._view = view
        root.mkdir(parents=True, exist_ok=True)
        ensure_readable(root, view)
        self.state = SnapshotState.read(offline_path(root, view))
        if not self.state.number:
            msg = (
                f"offline rows {offline_path(root, view)}: it is unknown up to where they are all "
                "there; remove them, or replace them by those of `samestream backfill`"
            )
            raise UnknownRowsError(msg)
        self._gathered: list[pa.Table] = []
        self.gathered_rows = 0

    def gather(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """Take rows to write, see `table_of_rows`; of window ends after those that are written."""
        self._gathered.append(table_of_rows(self._view, rows))
        self.gathered_rows += len(rows)

    def write(self, *, complete_until_ms: int, positions: Mapping[Partition, int]) -> None:
        """Append what was gathered; readers see all of it at once.

        Args:
            complete_until_ms: newest window end of which all rows are there with these.
            positions: offset to continue at, by topic and partition.

        Raises:
            RowsReplacedError: A backfill, or another archive, has written since: begin again with
                a new object.
        """
        schema = offline_schema(self._view)
        with next_snapshot(self._root, view_id(self._view)) as snapshot:
            if snapshot.former.number != self.state.number:
                msg = (
                    f"offline rows of {self._view.name}: got snapshot {snapshot.former.number}, "
                    f"this writer continues {self.state.number}"
                )
                raise RowsReplacedError(msg)
            parts = [*self.state.parts]
            if self._gathered:
                parts.append(write_part(snapshot.new_file(), schema, self._gathered))
            state = replace(
                self.state,
                number=snapshot.number,
                complete_until_ms=complete_until_ms,
                positions=positions,
                parts=tuple(merged(parts, schema, snapshot.path_of, snapshot.new_file)),
            )
            snapshot.commit(state)
        self.state = state
        self._gathered, self.gathered_rows = [], 0
