"""The exactly-once loop under faults: every record once and in order, or the process has ended."""

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from streaming.kafka.admin import Admin
from streaming.kafka.client import build_admin, build_producer
from streaming.kafka.connection import KafkaConnection
from streaming.kafka.loop import EXIT_UNKNOWN_OUTCOME
from streaming.kafka.reader import RangeReader
from streaming.local.stack import EmbeddedStack

pytestmark = pytest.mark.kafka

WORKER = Path(__file__).with_name("loop_worker.py")
ROOT = Path(__file__).parents[2]
COUNT = 2_000
PARTITIONS = 2


class Copying:
    """An input topic with records, an empty output topic, and workers that copy."""

    def __init__(self, kafka: KafkaConnection) -> None:
        name = f"copy_{uuid.uuid4().hex[:8]}"
        self.kafka = kafka
        self.input, self.output = f"{name}.in", f"{name}.out"
        self.group = f"copy.{self.input}"
        self.admin = Admin(kafka)
        self.admin.create_topics([self.input, self.output], PARTITIONS)
        self.workers: list[subprocess.Popen[str]] = []
        self.written = 0
        self.write(COUNT)

    def write(self, count: int) -> None:
        producer = build_producer(self.kafka)
        for n in range(self.written, self.written + count):
            producer.send(self.input, value=b"v%d" % n, partition=n % PARTITIONS)
        producer.flush(30)
        producer.close()
        self.written += count

    def start(self, fault: str = "none", instance: str = "0") -> subprocess.Popen[str]:
        worker = subprocess.Popen(
            [
                sys.executable,
                WORKER,
                self.kafka.bootstrap_servers,
                self.input,
                self.output,
                instance,
                fault,
            ],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.workers.append(worker)
        return worker

    def done(self) -> bool:
        committed = self.admin.committed(self.group, self.input)
        return sum(one.offset for one in committed.values()) >= self.written

    def finish(self, worker: subprocess.Popen[str]) -> str:
        """Wait until everything is copied, then end the worker; return what it printed."""
        until(self.done)
        worker.send_signal(signal.SIGTERM)
        out, err = worker.communicate(timeout=30)
        assert worker.returncode == 0, err
        return out

    def members(self) -> set[str]:
        """Return the ids of the members that own partitions."""
        client = build_admin(self.kafka)
        described = client.describe_groups([self.group])[self.group]["members"]
        client.close()
        return {
            one["member_id"]
            for one in described
            if one["member_assignment"] and one["member_assignment"]["assigned_partitions"]
        }

    def wrong(self) -> list[tuple[int, list[bytes]]]:
        """Return partitions whose output is not their input, numbered, once and in order."""
        found = []
        reader = RangeReader(self.kafka)
        ends = self.admin.end_offsets(self.output, "read_uncommitted")
        for partition, end in ends.items():
            values = [record.value for record in reader.read(self.output, partition, 0, end)]
            expected = [
                b"%d v%d" % (number, n)
                for number, n in enumerate(range(partition, self.written, PARTITIONS), 1)
            ]
            if values != expected:
                found.append((partition, values))
        reader.close()
        return found

    def close(self) -> None:
        for worker in self.workers:
            worker.kill()
            worker.communicate()
        self.admin.close()


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not become true in time"
        time.sleep(0.02)


@pytest.fixture
def copying(stack: EmbeddedStack) -> Iterator[Copying]:
    made = Copying(stack.kafka)
    yield made
    made.close()


def test_without_a_fault(copying: Copying) -> None:
    assert copying.finish(copying.start()) == "aborts 0\n"
    assert copying.wrong() == []


@pytest.mark.parametrize("fault", ["flush", "lost record"])
def test_an_error_before_the_offsets_are_sent_is_undone_and_tried_again(
    copying: Copying, fault: str
) -> None:
    assert copying.finish(copying.start(fault)) == "aborts 1\n"
    assert copying.wrong() == []


def test_a_commit_alone_would_not_notice_a_lost_record(copying: Copying) -> None:
    assert copying.finish(copying.start("lost record unchecked")) == "aborts 0\n"
    assert copying.wrong() != []


@pytest.mark.parametrize("fault", ["before commit", "after commit"])
def test_an_unknown_outcome_ends_the_process_and_the_next_one_continues(
    copying: Copying, fault: str
) -> None:
    worker = copying.start(fault)
    assert worker.wait(60) == EXIT_UNKNOWN_OUTCOME
    assert not copying.done()
    copying.finish(copying.start())
    assert copying.wrong() == []


def test_the_watchdog_ends_a_commit_that_hangs(copying: Copying) -> None:
    worker = copying.start("hang")
    _, err = worker.communicate(timeout=60)
    assert worker.returncode == 1
    assert "Timeout" in err
    assert "commit_transaction" in err
    copying.finish(copying.start())
    assert copying.wrong() == []


def test_a_second_process_of_the_same_instance_fences_the_first(copying: Copying) -> None:
    first = copying.start()
    until(copying.done)
    former = copying.members()
    second = copying.start()
    until(lambda: copying.members().isdisjoint(former))
    # An idle former self lives on without a say; its first transaction ends it.
    copying.write(COUNT)
    _, err = first.communicate(timeout=60)
    copying.finish(second)
    assert first.returncode == 1
    assert "Fenced" in err
    assert copying.wrong() == []


def test_who_stops_leaves_its_partitions_to_the_others_at_once(copying: Copying) -> None:
    first = copying.start()
    until(copying.done)
    second = copying.start(instance="1")
    until(lambda: len(copying.members()) == PARTITIONS)
    copying.finish(first)
    started = time.monotonic()
    copying.write(COUNT)
    copying.finish(second)
    assert time.monotonic() - started < 8, "it waited for the session to expire"
    assert copying.wrong() == []


def test_kill_9(copying: Copying) -> None:
    kills = 0
    while not copying.done():
        before = copying.admin.end_offsets(copying.output, "read_uncommitted")
        worker = copying.start()
        until(
            lambda before=before: (  # type: ignore[misc]
                copying.done()
                or copying.admin.end_offsets(copying.output, "read_uncommitted") != before
            )
        )
        worker.kill()
        worker.wait()
        kills += 1
        if kills == 5:
            copying.finish(copying.start())
    assert kills >= 2
    assert copying.wrong() == []
