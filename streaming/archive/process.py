"""The archive process: from the feature topics to the offline store."""

import logging
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from feature_repo.directory_lock import directory_lock
from feature_repo.offline_archive import RowsReplacedError
from feature_repo.offline_snapshot import SNAPSHOTS
from features.definitions import Definitions
from features.errors import SamestreamError
from streaming.archive.view_archives import ViewArchives
from streaming.kafka.admin import Admin
from streaming.kafka.follower import LogFollower
from streaming.kafka.loop import stop_on_signal
from streaming.kafka.topics import PROGRESS_TOPIC, features_topic
from streaming.settings import Settings

_POLL_MS = 200
_LAGGARDS_POLL_MS = 50

_log = logging.getLogger(__name__)


class ArchiveRunsError(SamestreamError, RuntimeError):
    """An offline store to which another archive is writing."""


def run_archive(settings: Settings, definitions: Definitions) -> None:
    """Append feature rows of complete window ends to the offline store until SIGTERM.

    It continues where the offline store says; there is no consumer group.

    Raises:
        ArchiveRunsError: Another archive writes to the offline store.
        UnknownRowsError: Offline rows that neither a backfill nor an archive has written.
        PositionLostError: The offline store continues at an offset that the log does not have.
        TopicError: A topic is missing or has another number of partitions.
    """
    archive(settings, definitions, stop=stop_on_signal())


def archive(settings: Settings, definitions: Definitions, *, stop: threading.Event) -> None:
    """Do what `run_archive` does until the event is set."""
    with Admin(settings.kafka) as admin:
        admin.check_log([features_topic(view) for view in definitions.views], settings.partitions)
        admin.check_log([PROGRESS_TOPIC], 1)
    with _only_archive(settings.offline_dir):
        while not stop.is_set():
            try:
                _follow(settings, definitions, stop)
            except RowsReplacedError as error:
                _log.info("begins again with what is there: %s", error)


@contextmanager
def _only_archive(root: Path) -> Iterator[None]:
    directory = root / SNAPSHOTS
    directory.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        try:
            held.enter_context(directory_lock(directory, wait=False))
        except BlockingIOError as error:
            msg = f"{root}: another archive is writing to it; one is enough for all views"
            raise ArchiveRunsError(msg) from error
        yield


def _follow(settings: Settings, definitions: Definitions, stop: threading.Event) -> None:
    """Archive all views from where the offline store is, until the event is set."""
    archives = ViewArchives(settings, definitions)
    start_over = f"remove {settings.offline_dir}"
    with closing(
        LogFollower(settings.kafka, archives.positions, start_over=start_over)
    ) as follower:
        _log.info("continues after %d records", sum(archives.positions.values()))
        while not stop.is_set():
            if ahead := archives.ahead():
                slices = follower.poll(_LAGGARDS_POLL_MS, without=ahead)
            if not ahead or not slices:
                slices = follower.poll(_POLL_MS)
            archives.add(slices)
        archives.write()
