"""All views on their way from the feature topics to the offline store."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

from feature_repo.offline import view_id
from feature_repo.offline_snapshot import Partition
from feature_repo.writer import RowStep
from features.definitions import Definitions
from streaming.archive.view_archive import ViewArchive
from streaming.ingest.steps import StepDecoder
from streaming.kafka.follower import Slice
from streaming.kafka.topics import PROGRESS_TOPIC, features_topic
from streaming.settings import Settings

# History is read fast, and each partition at a speed of its own.
_WAITING_ROWS = 20_000


class ViewArchives:
    """Gives what was read to the views it is for.

    Attributes:
        positions: from where to read, by topic and partition.
    """

    def __init__(self, settings: Settings, definitions: Definitions) -> None:
        """Continue where the offline store says."""
        self._decoder = StepDecoder(definitions)
        self._views = {
            view_id(view): ViewArchive(
                settings.offline_dir,
                view,
                write_rows=settings.archive_rows,
                write_seconds=settings.archive_seconds,
            )
            for view in definitions.views
        }
        progress = (PROGRESS_TOPIC, 0)
        self.positions: dict[Partition, int] = {
            progress: min(view.positions.get(progress, 0) for view in self._views.values())
        }
        for view in definitions.views:
            known = self._views[view_id(view)].positions
            for number in range(settings.partitions):
                at = (features_topic(view), number)
                self.positions[at] = known.get(at, 0)

    def ahead(self) -> set[Partition]:
        """Partitions that others should catch up with, or what waits would fill the memory."""
        waiting: Counter[Partition] = Counter()
        for view in self._views.values():
            waiting.update(view.waiting)
        return {at for at, rows in waiting.items() if rows > _WAITING_ROWS}

    def add(self, slices: Iterable[Slice]) -> None:
        """Take what was read, and write what is due.

        Raises:
            RowsReplacedError: Somebody else has written to the offline rows of a view.
            UndecodableError: A record that the Flink job cannot have written.
        """
        for part in slices:
            step = self._decoder.step(part)
            if isinstance(step, RowStep):
                self._views[view_id(step.view)].add_rows(step.source, step.rows)
                continue
            told: defaultdict[str, list[Any]] = defaultdict(list)
            for record in step.records:
                told[f"{record['view']}-{record['fingerprint']}"].append(record)
            for name, view in self._views.items():
                view.add_progress(step.source, told[name])
        for view in self._views.values():
            view.advance()

    def write(self) -> None:
        """Write everything that is complete.

        Raises:
            RowsReplacedError: Somebody else has written to the offline rows of a view.
        """
        for view in self._views.values():
            view.write()
