"""The archive process on a real broker, killed, restarted, and beside backfills."""

import os
import random
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
from archive_definitions import DEFINITIONS
from feature_job import START_MS, STOPS, Job

from feature_repo.feast_objects import apply
from feature_repo.offline import (
    complete_until_ms,
    offline_path,
    offline_schema,
    table_of_rows,
)
from feature_repo.offline_archive import OfflineArchive
from feature_repo.offline_history import replace_history
from feature_repo.offline_parts import write_part
from feature_repo.rendering import open_store
from features.definitions import Definitions
from features.errors import SamestreamError
from features.instant import from_ms, to_ms
from features.view import FeatureView
from streaming.archive.process import ArchiveRunsError, archive
from streaming.kafka.follower import PositionLostError
from streaming.kafka.topics import features_topic
from streaming.local.stack import EmbeddedStack
from streaming.local.waiting import wait_until
from streaming.settings import Settings

pytestmark = pytest.mark.kafka

VIEW = DEFINITIONS.views[0]
SLIDE_MS = VIEW.window.slide_ms
SOON = timedelta(seconds=60)
NOWHERE = "127.0.0.1:1"


def end_ms(slot: int) -> int:
    return START_MS + slot * SLIDE_MS


def view_named(name: str) -> FeatureView:
    return FeatureView(
        name=name,
        source=VIEW.source,
        entity=VIEW.entity,
        window=VIEW.window,
        aggregations=VIEW.aggregations,
    )


def settings_of(stack: EmbeddedStack, state_dir: Path) -> Settings:
    return Settings(
        definitions="archive_definitions",
        state_dir=state_dir,
        bootstrap_servers=stack.bootstrap_servers,
        partitions=2,
        archive_rows=1,
        archive_seconds=0.0,
    )


def complete_slot(settings: Settings, view: FeatureView) -> int:
    until_ms = complete_until_ms(settings.offline_dir, view)
    return -1 if until_ms is None else (until_ms - START_MS) // SLIDE_MS


def check_rows(settings: Settings, view: FeatureView) -> int:
    """Every row up to where they are complete is there, once; return the slot."""
    complete = complete_slot(settings, view)
    table = pq.read_table(offline_path(settings.offline_dir, view))
    assert table.schema.equals(offline_schema(view))
    found = sorted(
        (to_ms(row["window_end"]), row["stop"], row[f"{view.name}_count"])
        for row in table.to_pylist()
    )
    assert found == [
        (end_ms(slot), name, slot) for slot in range(complete + 1) for name in sorted(STOPS)
    ]
    return complete


@contextmanager
def archive_process(settings: Settings) -> Iterator[subprocess.Popen[bytes]]:
    environment = os.environ | {
        "SAMESTREAM_DEFINITIONS": settings.definitions,
        "SAMESTREAM_STATE_DIR": str(settings.state_dir),
        "SAMESTREAM_BOOTSTRAP_SERVERS": settings.bootstrap_servers,
        "SAMESTREAM_ARCHIVE_ROWS": str(settings.archive_rows),
        "SAMESTREAM_ARCHIVE_SECONDS": str(settings.archive_seconds),
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    command = [sys.executable, "-m", "streaming.cli", "run", "archive"]
    with subprocess.Popen(command, env=environment) as process:
        try:
            yield process
        finally:
            process.kill()


class Writer:
    """Keeps a bit ahead of the archive; tells some window ends again, as a restarted job does."""

    def __init__(self, jobs: list[Job], archived: Callable[[], int]) -> None:
        self.slots = 0
        self._jobs = jobs
        self._archived = archived
        self._rng = random.Random(7)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(timeout=0.01):
            if self.slots > self._archived() + 100:
                continue
            for job in self._jobs:
                job.windows(max(0, self.slots - self._rng.randrange(5)), self.slots + 3)
            self.slots += 3

    def end(self) -> None:
        self._stop.set()
        self._thread.join()


def test_rows_are_there_once_after_many_kills(
    stack: EmbeddedStack, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    settings = settings_of(stack, tmp_path)
    rng = random.Random(6)
    jobs = [Job(stack, view) for view in DEFINITIONS.views]
    writer = Writer(jobs, lambda: complete_slot(settings, VIEW))
    try:
        for _ in range(pytestconfig.getoption("--archive-kills") // 5):
            begun, snapshots = complete_slot(settings, VIEW), rng.randrange(1, 30)

            with archive_process(settings) as process:

                def reached(
                    process: subprocess.Popen[bytes] = process, until: int = begun + 3 * snapshots
                ) -> bool:
                    assert process.poll() is None, "the archive ended"
                    return complete_slot(settings, VIEW) >= until

                wait_until(reached, timeout=SOON, what="some more windows")
                process.kill()
            for view in DEFINITIONS.views:
                check_rows(settings, view)
    finally:
        writer.end()
    newest = writer.slots - 1
    with archive_process(settings) as process:
        wait_until(
            lambda: all(complete_slot(settings, view) == newest for view in DEFINITIONS.views),
            timeout=SOON,
            what="the last window",
        )
        process.terminate()
        assert process.wait(timeout=SOON.seconds) == 0
    assert [check_rows(settings, view) for view in DEFINITIONS.views] == [newest] * 2

    training_set_has_live_rows(settings, tmp_path, newest)
    # Negative control: the check sees a file that is there twice.
    (part, *_) = offline_path(settings.offline_dir, VIEW).glob("*.parquet")
    (part.parent / "again.parquet").write_bytes(part.read_bytes())
    with pytest.raises(AssertionError):
        check_rows(settings, VIEW)


def training_set_has_live_rows(settings: Settings, tmp_path: Path, newest: int) -> None:
    """A plain Feast client asks for features as of the end of the archive and before."""
    store = open_store(tmp_path / "feast", online_store=NOWHERE)
    apply(store, settings.definitions, settings.offline_dir)
    slots = [0, newest // 2, newest]
    known_ms = [end_ms(slot) + VIEW.source.lateness_ms for slot in slots]
    entities = pd.DataFrame(
        {
            "stop": STOPS,
            "event_timestamp": pd.Series([from_ms(ms) for ms in known_ms]).dt.as_unit("us"),
        }
    )
    answer = store.get_historical_features(
        entities, features=[f"{view.name}:{view.name}_count" for view in DEFINITIONS.views]
    ).to_df()
    answer = answer.set_index("stop").loc[list(STOPS)]
    for view in DEFINITIONS.views:
        assert answer[f"{view.name}_count"].tolist() == slots


class Background:
    """The archive in a thread; its error is kept."""

    def __init__(self, settings: Settings, view: FeatureView) -> None:
        self.error: SamestreamError | None = None
        self._stop = threading.Event()
        definitions = Definitions(views=(view,), services=())
        self._thread = threading.Thread(target=self._run, args=(settings, definitions))
        self._thread.start()

    def _run(self, settings: Settings, definitions: Definitions) -> None:
        try:
            archive(settings, definitions, stop=self._stop)
        except SamestreamError as error:
            self.error = error

    def ended(self) -> bool:
        return not self._thread.is_alive()

    def end(self) -> SamestreamError | None:
        self._stop.set()
        self._thread.join()
        return self.error


def backfill(settings: Settings, view: FeatureView, until: int) -> None:
    """Replace history up to a slot, by the same rows."""
    rows: list[tuple[Any, ...]] = [
        (name, end_ms(slot), slot, None, 0) for slot in range(until + 1) for name in STOPS
    ]
    written = settings.state_dir / "ready"
    part = write_part(written, offline_schema(view), [table_of_rows(view, rows)])
    replace_history(settings.offline_dir, view, written, part, end_ms(until))


def test_backfills_beside_a_running_archive(
    stack: EmbeddedStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So that partitions also wait for one another.
    monkeypatch.setattr("streaming.archive.view_archives._WAITING_ROWS", 10)
    view = view_named("archived_beside")
    settings, job = settings_of(stack, tmp_path), Job(stack, view)

    def wait_complete(slot: int) -> None:
        def reached() -> bool:
            assert not running.ended(), running.error
            return complete_slot(settings, view) == slot

        wait_until(reached, timeout=SOON, what=f"window {slot}")
        assert check_rows(settings, view) == slot

    job.windows(0, 50)
    running = Background(settings, view)
    try:
        wait_complete(49)
        backfill(settings, view, 30)
        assert check_rows(settings, view) == 49
        job.windows(50, 60)
        wait_complete(59)
        backfill(settings, view, 80)  # of a log that the job has not told yet
        assert check_rows(settings, view) == 80
        job.windows(60, 100)
        wait_complete(99)
        backfill(settings, view, 20)
        job.windows(100, 101)
        wait_complete(100)
        second = Background(settings, view)
        wait_until(second.ended, timeout=SOON, what="a second archive to refuse")
        assert isinstance(second.end(), ArchiveRunsError)
    finally:
        error = running.end()
    assert error is None


def test_a_position_that_the_log_does_not_have_is_an_error(
    stack: EmbeddedStack, tmp_path: Path
) -> None:
    view = view_named("archived_lost")
    settings, job = settings_of(stack, tmp_path), Job(stack, view)
    job.windows(0, 1)
    OfflineArchive(settings.offline_dir, view).write(
        complete_until_ms=end_ms(0), positions={(features_topic(view), 0): 1_000_000}
    )

    running = Background(settings, view)
    wait_until(running.ended, timeout=SOON, what="the archive to notice")

    error = running.end()
    assert isinstance(error, PositionLostError)
    assert f"remove {settings.offline_dir} to start over" in str(error)
