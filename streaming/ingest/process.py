"""The ingest process: from the feature topics to the online store."""

import logging
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing

from feature_repo.online_store import connect
from feature_repo.rendering import PROJECT
from feature_repo.writer import OnlineWriter
from features.definitions import Definitions
from streaming.ingest.steps import StepDecoder
from streaming.kafka.admin import Admin
from streaming.kafka.follower import LogFollower
from streaming.kafka.loop import stop_on_signal
from streaming.kafka.topics import PROGRESS_TOPIC
from streaming.settings import Settings

_POLL_MS = 200
_REPORT_SECONDS = 10.0

_log = logging.getLogger(__name__)


def run_ingest(settings: Settings, definitions: Definitions) -> None:
    """Write feature rows and progress to the online store until SIGTERM.

    It continues where the store says; there is no consumer group.

    Raises:
        FencedError: Another ingest writes to the store, or it was emptied.
        PositionLostError: The store continues at an offset that the log does not have.
        TopicError: A topic is missing or has another number of partitions.
    """
    ingest(settings, definitions, project=PROJECT, stop=stop_on_signal())


def ingest(
    settings: Settings, definitions: Definitions, *, project: str, stop: threading.Event
) -> None:
    """Do what `run_ingest` does, for a Feast project, until the event is set."""
    decoder = StepDecoder(definitions)
    with Admin(settings.kafka) as admin:
        admin.check_log(decoder.feature_topics, settings.partitions)
        admin.check_log([PROGRESS_TOPIC], 1)
        partitions = admin.partitions([*decoder.feature_topics, PROGRESS_TOPIC])
    writer = OnlineWriter(
        connect(settings.online_store),
        project=project,
        views=definitions.views,
        ring_slides=settings.ring_slides,
    )
    positions = {
        (topic, partition): writer.next_offset(topic, partition)
        for topic, numbers in partitions.items()
        for partition in numbers
    }
    _log.info(
        "continues after %d records of %d partitions", sum(positions.values()), len(positions)
    )
    with (
        closing(
            LogFollower(settings.kafka, positions, start_over="empty the online store")
        ) as follower,
        ThreadPoolExecutor(max_workers=1, thread_name_prefix="store") as store,
    ):
        records, reported_at = 0, time.monotonic()
        # While the store works on one batch, the next one is fetched and decoded.
        written: Future[list[int]] = store.submit(list)
        while not stop.is_set():
            slices = follower.poll(_POLL_MS)
            steps = [decoder.step(part) for part in slices]
            written.result()
            if steps:
                written = store.submit(writer.apply, steps)
            records += sum(len(part.values) for part in slices)
            elapsed = time.monotonic() - reported_at
            if elapsed >= _REPORT_SECONDS:
                _log.info("%d records, %.0f a second", records, records / elapsed)
                records, reported_at = 0, time.monotonic()
        written.result()
