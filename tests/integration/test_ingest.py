"""The ingest process on a real broker and a real store, killed, restarted and misled."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import numpy as np
import pytest
from feature_job import START_MS, Job
from stop_definitions import DEFINITIONS, stop

from feature_repo.online_layout import ProjectLayout
from feature_repo.online_store import connect
from feature_repo.reader import OnlineReader
from feature_repo.writer import FencedError
from features.definitions import Definitions
from features.errors import SamestreamError
from features.view import FeatureView
from streaming.ingest.process import ingest
from streaming.kafka.follower import PositionLostError
from streaming.kafka.topics import features_topic
from streaming.local.stack import EmbeddedStack
from streaming.local.waiting import wait_until
from streaming.settings import Settings

pytestmark = [pytest.mark.kafka, pytest.mark.valkey]

SLIDE_MS = stop.window.slide_ms
SOON = timedelta(seconds=60)


def view_named(name: str) -> FeatureView:
    return FeatureView(
        name=name,
        source=stop.source,
        entity=stop.entity,
        window=stop.window,
        aggregations=stop.aggregations,
    )


def settings_of(stack: EmbeddedStack, definitions: str = "stop_definitions") -> Settings:
    return Settings(
        definitions=definitions,
        bootstrap_servers=stack.bootstrap_servers,
        online_store=stack.redis_address,
        partitions=2,
    )


@contextmanager
def ingest_process(stack: EmbeddedStack) -> Iterator[subprocess.Popen[bytes]]:
    settings = settings_of(stack)
    environment = os.environ | {
        "SAMESTREAM_DEFINITIONS": settings.definitions,
        "SAMESTREAM_BOOTSTRAP_SERVERS": settings.bootstrap_servers,
        "SAMESTREAM_ONLINE_STORE": settings.online_store,
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    code = (
        "from features.definitions import load_definitions\n"
        "from streaming.ingest.process import run_ingest\n"
        "from streaming.settings import Settings\n"
        "settings = Settings()\n"
        "run_ingest(settings, load_definitions(settings.definitions))\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], env=environment) as process:
        try:
            yield process
        finally:
            process.kill()


def test_a_killed_process_is_continued_without_loss_or_double(stack: EmbeddedStack) -> None:
    jobs = [Job(stack, view) for view in DEFINITIONS.views]
    job = jobs[0]
    reader = OnlineReader(
        connect(stack.redis_address), project="samestream", views=DEFINITIONS.views
    )

    def complete(slot: int, process: subprocess.Popen[bytes]) -> None:
        def reached() -> bool:
            assert process.poll() is None, "ingest ended"
            return reader.complete()["by_stop"] == START_MS + slot * SLIDE_MS

        wait_until(reached, timeout=SOON, what=f"window {slot} to be complete")

    job.windows(0, 500)
    with ingest_process(stack) as process:
        complete(499, process)
        job.windows(500, 520)
        process.kill()
    job.windows(510, 540)  # the job itself restarts, too, and tells ten windows again
    with ingest_process(stack) as process:
        complete(539, process)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=SOON.seconds) == 0

    assert [end for end, _ in reader.completions(stop)] == [
        START_MS + slot * SLIDE_MS for slot in range(540)
    ]
    as_of = np.array([START_MS + slot * SLIDE_MS for slot in (539, 500, 413)], np.int64)
    rows = reader.read(stop, [("Zürich",)] * 3, as_of)
    np.testing.assert_array_equal(rows.columns["by_stop_count"], [539, 500, np.nan])
    assert rows.ahead.tolist() == [False, False, True]


class Background:
    """Ingest in a thread; its error is kept."""

    def __init__(self, stack: EmbeddedStack, view: FeatureView, project: str) -> None:
        self.error: SamestreamError | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(stack, view, project))
        self._thread.start()

    def _run(self, stack: EmbeddedStack, view: FeatureView, project: str) -> None:
        definitions = Definitions(views=(view,), services=())
        try:
            ingest(settings_of(stack), definitions, project=project, stop=self._stop)
        except SamestreamError as error:
            self.error = error

    def ended(self) -> bool:
        return not self._thread.is_alive()

    def end(self) -> SamestreamError | None:
        self._stop.set()
        self._thread.join()
        return self.error


def test_an_emptied_store_stops_ingest_which_then_starts_over(stack: EmbeddedStack) -> None:
    view = view_named("by_stop_emptied")
    job, redis = Job(stack, view), connect(stack.redis_address)
    reader = OnlineReader(redis, project="emptied", views=[view])
    job.windows(0, 10)

    def is_complete(slot: int) -> bool:
        return reader.complete()[view.name] == START_MS + slot * SLIDE_MS

    first = Background(stack, view, "emptied")
    wait_until(lambda: is_complete(9), timeout=SOON, what="the first ten windows")
    redis.delete(*redis.scan_iter("samestream:emptied:*", count=1_000))
    job.windows(10, 11)
    wait_until(first.ended, timeout=SOON, what="ingest to notice")
    assert isinstance(first.end(), FencedError)

    second = Background(stack, view, "emptied")
    wait_until(lambda: is_complete(10), timeout=SOON, what="all windows again")
    assert second.end() is None


def test_a_position_that_the_log_does_not_have_is_an_error(stack: EmbeddedStack) -> None:
    view = view_named("by_stop_lost")
    job, redis = Job(stack, view), connect(stack.redis_address)
    job.windows(0, 1)
    layout = ProjectLayout("lost")
    redis.hset(layout.offsets, f"{features_topic(view)}:0", 1_000_000)

    running = Background(stack, view, "lost")
    wait_until(running.ended, timeout=SOON, what="ingest to notice")

    error = running.end()
    assert isinstance(error, PositionLostError)
    assert "empty the online store" in str(error)
