"""The live job as a process that is fed, killed and started again."""

import pickle
import random
import signal
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from jobs import Rows, differences, oracle_rows
from stream_cases import Log

from features.definitions import Definitions
from features.view import FeatureView
from streaming.flink.checkpoints import checkpoint_root
from streaming.kafka.record import OutputRecord
from streaming.local.process import ChildProcess
from streaming.local.system import environment
from streaming.local.waiting import wait_until
from streaming.settings import Settings
from tests.written_topics import Topics

HERE = Path(__file__).parent
SOON = timedelta(minutes=5)


@contextmanager
def live_job(settings: Settings, defined: Definitions, *sabotage: str) -> Iterator[ChildProcess]:
    """Run the live job of the definitions; it continues at its newest checkpoint."""
    pickled = settings.state_dir / "definitions.pickle"
    pickled.write_bytes(pickle.dumps(defined))
    job = ChildProcess(
        command=[sys.executable, str(HERE / "live_worker.py"), str(pickled), *sabotage],
        log_path=settings.state_dir / "live.log",
        pid_path=settings.state_dir / "live.pid",
        environment=environment(settings) | {"PYTHONPATH": str(HERE.parents[1])},
    )
    job.start()
    try:
        yield job
    finally:
        job.stop(timeout=SOON)


def interleaved(
    logs: Mapping[str, Log], parts: int, rng: random.Random
) -> list[list[OutputRecord]]:
    """All records in several parts; partitions run far ahead of one another, each in its order."""
    waiting = {
        (topic, partition): [OutputRecord(topic, partition, key, value) for key, value in records]
        for topic, log in logs.items()
        for partition, records in log.records.items()
    }
    made: list[list[OutputRecord]] = [[] for _ in range(parts)]
    for part in range(parts):
        order = list(waiting)
        rng.shuffle(order)
        for of in order:
            records = waiting[of]
            taken = len(records) if part == parts - 1 else rng.randrange(len(records) + 1)
            made[part] += records[:taken]
            waiting[of] = records[taken:]
    return made


def kill(job: ChildProcess) -> None:
    """End the job and its JVM with SIGKILL."""
    job.group.send(signal.SIGKILL)
    wait_until(lambda: not job.alive(), timeout=SOON, what="the killed job to be gone")


def checkpoints(settings: Settings, defined: Definitions) -> set[Path]:
    """Complete checkpoints that are there now."""
    root = checkpoint_root(settings.state_dir / "checkpoints", defined.views)
    return set(root.glob("*/chk-*/_metadata"))


def written_rows(topics: Topics, defined: Definitions) -> int:
    """Rows and progress records written so far."""
    return sum(len(topics.rows(view)) + len(topics.progress(view)) for view in defined.views)


def is_complete(topics: Topics, defined: Definitions, logs: Mapping[str, Log]) -> bool:
    """Whether progress has reached the end of the closed logs."""
    return all(
        max((end for end, _ in topics.progress(view)), default=0) >= _last_end(view, logs)
        for view in defined.views
    )


def live_differences(topics: Topics, view: FeatureView, logs: Mapping[str, Log]) -> list[str]:
    """What rows and progress say that the oracle does not, up to the end of the log."""
    last = _last_end(view, logs)
    expected = oracle_rows(view, logs[view.source.name])
    rows: Rows = {key: row for key, row in topics.rows(view).items() if key[0] <= last}
    wrong = differences(rows, expected)
    counts = Counter(end for end, _ in expected)
    told = {end: count for end, count in topics.progress(view) if end <= last}
    wrong += [
        f"progress of {end}: got {told.get(end)}, expected {counts[end]}"
        for end in sorted({*told, *counts})
        if told.get(end) != counts[end]
    ]
    return wrong


def _last_end(view: FeatureView, logs: Mapping[str, Log]) -> int:
    return view.window.last_end_at(logs[view.source.name].horizon_ms)
