"""An owner that sleeps for longer than its session and wakes when its partitions are another's."""

import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from multiprocessing.process import BaseProcess
from pathlib import Path
from signal import SIGCONT, SIGSTOP

import pytest

from streaming.intake.codec import EventCodec
from streaming.kafka.loop import EXIT_UNKNOWN_OUTCOME
from streaming.kafka.topics import validated_topic
from streaming.local.stack import EmbeddedStack
from streaming.local.waiting import wait_until
from tests.chaos.intake_logs import IntakeLogs
from tests.chaos.intake_process import Fatal, Intake, Step
from tests.integration.intake_worker import SLIDE_MS

pytestmark = pytest.mark.kafka

PARTITIONS = 1
SLEEPS_IN = 4
PATIENCE = timedelta(seconds=60)


class Night:
    """Instance `a` falls asleep in its fourth transaction of heartbeats, `b` takes over."""

    def __init__(self, logs: IntakeLogs, step: Step, defect: str | None = None) -> None:
        self.logs = logs
        self.log = validated_topic(logs.source)
        self._started: list[BaseProcess] = []
        sleep = Fatal(step=step, transaction=SLEEPS_IN, signal=SIGSTOP)
        self._intake = Intake(
            settings=logs.settings("wall"), source=logs.source.name, defect=defect
        )
        self._a = self.start("a", sleep)
        wait_until(self._asleep, timeout=PATIENCE, what="the zombie to fall asleep")
        # What it has written lies from here on; nobody can read it yet.
        self.stable_end = self._end("read_committed")
        self.written_end = self._end("read_uncommitted")
        self._b = self.start("b")
        wait_until(lambda: logs.owners() == {"b"}, timeout=PATIENCE, what="the new owner")

    def start(self, name: str, fatal: Fatal | None = None) -> BaseProcess:
        process = replace(self._intake, instance=name, fatal=fatal).start()
        self._started.append(process)
        return process

    def wake(self) -> int | None:
        """Wake the zombie; return its exit code, None while it lives on as a member."""
        os.kill(self._a.pid or 0, SIGCONT)

        def settled() -> bool:
            return self._a.exitcode is not None or self.logs.owners() >= {"a"}

        wait_until(settled, timeout=PATIENCE, what="the zombie to end or to join")
        return self._a.exitcode

    def wait_for_heartbeats(self, count: int) -> None:
        """Wait until so many more can be read."""
        end = self.written_end + count
        wait_until(lambda: self._end("read_committed") > end, timeout=PATIENCE, what="heartbeats")

    def heartbeats(self) -> dict[int, int]:
        """Return the event times that can be read, by offset."""
        codec = EventCodec(self.logs.source)
        return {
            record.offset: codec.from_log(record.value or b"").event_time_ms
            for record in self.logs.records(self.log, 0)
        }

    def end_all(self) -> None:
        for process in self._started:
            process.kill()

    def _asleep(self) -> bool:
        stat = Path(f"/proc/{self._a.pid}/stat").read_text()
        return stat.rpartition(")")[2].split()[0] == "T"

    def _end(self, isolation: str) -> int:
        return self.logs.admin.end_offsets(self.log, isolation)[0]  # type: ignore[arg-type]


@pytest.fixture
def logs(stack: EmbeddedStack) -> Iterator[IntakeLogs]:
    made = IntakeLogs(stack.kafka, PARTITIONS)
    yield made
    made.close()


def without_gap(times: list[int]) -> bool:
    return times == list(range(times[0], times[-1] + 1, SLIDE_MS))


def test_the_heartbeat_of_a_zombie_is_fenced(logs: IntakeLogs) -> None:
    night = Night(logs, "after send")
    try:
        assert night.written_end > night.stable_end
        assert night.wake() == EXIT_UNKNOWN_OUTCOME
        # Its start aborts what the zombie left open; the new owner has waited for that.
        night.start("a")
        night.wait_for_heartbeats(5)
        found = night.heartbeats()
    finally:
        night.end_all()
    assert not found.keys() & set(range(night.stable_end, night.written_end))
    assert without_gap(list(found.values()))


def test_what_a_zombie_had_sent_with_its_offsets_is_waited_for(logs: IntakeLogs) -> None:
    night = Night(logs, "after offsets")
    try:
        # Its commit is valid; the next one is not, if it comes before it knows.
        assert night.wake() in (None, EXIT_UNKNOWN_OUTCOME)
        night.start("a")
        night.wait_for_heartbeats(5)
        found = night.heartbeats()
    finally:
        night.end_all()
    assert found.keys() >= set(range(night.stable_end, night.written_end))
    assert without_gap(list(found.values()))


def test_without_membership_a_zombie_writes(logs: IntakeLogs) -> None:
    night = Night(logs, "after send", defect="offsets without membership")
    try:
        assert night.wake() is None
        night.wait_for_heartbeats(5)
        found = night.heartbeats()
    finally:
        night.end_all()
    assert found.keys() & set(range(night.stable_end, night.written_end))
