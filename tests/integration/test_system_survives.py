"""`samestream up` on a state directory of its own: killed as a whole, up again, down."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from survivor_definitions import DEFINITIONS, stop_1d, stop_1h, taps

from feature_repo.online_store import connect
from feature_repo.reader import OnlineReader
from feature_repo.rendering import PROJECT
from features.evaluator import evaluate
from streaming.intake.counters import intake_counters
from streaming.intake.gate import Outcome
from streaming.kafka.admin import Admin
from streaming.kafka.connection import KafkaConnection
from streaming.kafka.event_log import read_events
from streaming.kafka.producer import EventProducer
from streaming.kafka.reader import RangeReader
from streaming.kafka.registry import RegistryAccess, SchemaRegistry
from streaming.kafka.topics import validated_topic
from streaming.local.process_group import MARK
from streaming.local.registry_server import registry_url
from streaming.local.stack import EmbeddedStack
from streaming.local.state import StateDirectory
from streaming.local.waiting import wait_until
from tests.command_line import running, samestream

pytestmark = [pytest.mark.kafka, pytest.mark.valkey, pytest.mark.flink]

STOPS = ("a", "b", "Zürich")
NAMES = [
    *("archive", "ingest", "intake-taps", "kafka", "live", "registry", "scorer-fraud"),
    *("supervisor", "valkey"),
]
SOON = timedelta(minutes=5)

Event = dict[str, Any]


class System:
    """A state directory, driven by the command line and looked at from outside."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.stack = EmbeddedStack(StateDirectory(root))

    def run(self, command: str, *options: str) -> subprocess.CompletedProcess[str]:
        """Run `samestream <command>` on the directory."""
        module = "survivor_definitions"
        return samestream(command, self.root, *options, SAMESTREAM_DEFINITIONS=module)

    def succeed(self, command: str, *options: str) -> subprocess.CompletedProcess[str]:
        ended = self.run(command, *options)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended

    def pids(self) -> list[int]:
        """Every running process that was started for the directory, recorded or not."""
        mark = f"{MARK}={self.root}/".encode()
        return [
            int(process.name)
            for process in Path("/proc").iterdir()
            if process.name.isdigit() and mark in _environment(process)
        ]

    def alive(self) -> list[str]:
        """Names of the recorded processes that run."""
        return [process.name for process in self.stack.status() if process.alive]

    def kill(self) -> None:
        """Kill -9 every process, also those that the supervisor starts meanwhile."""

        def nothing_left() -> bool:
            pids = self.pids()
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            # An ending process has no environment to be found by for a moment, yet it still runs.
            return not pids and not self.alive()

        wait_until(nothing_left, timeout=SOON, what="the killed processes to end")

    @property
    def kafka(self) -> KafkaConnection:
        return self.stack.kafka

    @cached_property
    def reader(self) -> OnlineReader:
        redis = connect(self.stack.redis_address)
        return OnlineReader(redis, project=PROJECT, views=DEFINITIONS.views)

    def publish(self, prefix: str, count: int) -> list[Event]:
        """Publish events of now, as a producer does."""
        events = []
        access = RegistryAccess(url=registry_url(self.stack.state))
        with (
            SchemaRegistry(access) as registry,
            EventProducer(taps, self.kafka, registry) as producer,
        ):
            for number in range(count):
                event = {
                    "event_id": f"{prefix}{number}",
                    "event_time_ms": time.time_ns() // 1_000_000,
                    "stop": STOPS[number % len(STOPS)],
                    "fare": None if number % 5 == 0 else number,
                    "paid": True,
                }
                producer.send(event)
                events.append(event)
        return events

    def wait_complete(self, events: list[Event]) -> int:
        """Wait until every view is complete behind the newest event; return up to when."""
        newest = max(event["event_time_ms"] for event in events)
        reached: list[int] = []

        def is_complete() -> bool:
            reached[:] = [until or 0 for until in self.reader.complete().values()]
            return min(reached) > newest

        wait_until(is_complete, timeout=SOON, what="every view to be complete")
        return min(reached)

    def log(self) -> dict[int, list[tuple[Any, ...]]]:
        """Every record of the validated log, by partition, with offset, time and bytes."""
        topic = validated_topic(taps)
        with Admin(self.kafka) as admin:
            ends = admin.end_offsets(topic, "read_committed")
        with closing(RangeReader(self.kafka)) as reader:
            return {
                partition: [
                    (record.offset, record.timestamp, record.key, record.value, record.headers)
                    for record in reader.read(topic, partition, 0, end)
                ]
                for partition, end in ends.items()
            }

    def completions(self) -> dict[str, list[tuple[int, int]]]:
        """When each window end became complete, by view; a window end counted anew has another."""
        return {view.name: self.reader.completions(view) for view in DEFINITIONS.views}

    def check_features(self, events: list[Event], as_of_ms: int) -> None:
        """Compare the stored features of each stop with the plain evaluator."""
        keys = [(stop,) for stop in STOPS]
        for view in (stop_1h, stop_1d):
            expected = {row.keys: row.values for row in evaluate(view, events, as_of_ms)}
            found = self.reader.read(view, keys, np.full(len(keys), as_of_ms))
            assert not found.ahead.any()
            for name, column in found.columns.items():
                assert column.tolist() == [expected[key][name] for key in keys]


def _environment(process: Path) -> bytes:
    try:
        return (process / "environ").read_bytes()
    except OSError:
        return b""


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    system = System(tmp_path / "state")
    try:
        yield system
    finally:
        system.kill()


def test_everything_survives_a_kill_of_everything(system: System) -> None:
    assert "Schema registry http://127.0.0.1:" in system.succeed("up", "--registry").stdout
    first = system.publish("first", 40)
    complete_before = system.wait_complete(first)
    system.check_features(first, complete_before)
    assert system.alive() == NAMES
    assert len(system.pids()) > len(NAMES), "Flink's JVM is found, too"

    twice = system.run("up")
    assert (twice.returncode, twice.stderr.count("\n")) == (1, 1)
    assert f"already runs in the background on {system.root}" in twice.stderr

    log, completions = system.log(), system.completions()
    overtaken = system.publish("overtaken", 10)
    system.kill()
    assert system.alive() == []

    # Without the option: a system that once had a registry keeps it, and all that it knew.
    system.succeed("up")
    published = first + overtaken + system.publish("second", 20)
    complete_after = system.wait_complete(published)
    assert complete_after > complete_before
    system.check_features(published, complete_after)
    log_after, completions_after = system.log(), system.completions()
    for partition, records in log.items():
        assert log_after[partition][: len(records)] == records
    for view, earlier in completions.items():
        assert completions_after[view][: len(earlier)] == earlier
    ids = sorted(event["event_id"] for event in read_events(system.kafka, taps))
    assert ids == sorted(event["event_id"] for event in published)
    counts = intake_counters(system.kafka, taps)
    assert counts[Outcome.ACCEPTED] == len(ids)
    assert counts[Outcome.LATE] == counts[Outcome.DUPLICATE] == counts[Outcome.DEAD] == 0
    assert running(system.succeed("status")) == NAMES

    system.succeed("down")
    assert system.pids() == []
    assert system.stack.status() == []
    assert system.stack.state.kafka_data.exists()
