"""Instances of intake join and leave all the time; the logs are those of one that never stopped."""

import random
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from multiprocessing.process import BaseProcess

import pytest

from streaming.kafka.loop import EXIT_UNKNOWN_OUTCOME
from streaming.local.stack import EmbeddedStack
from streaming.local.waiting import wait_until
from tests.chaos.intake_logs import IntakeLogs, Traffic
from tests.chaos.intake_process import Intake

pytestmark = pytest.mark.kafka

PARTITIONS = 6
INSTANCES = ("a", "b", "c", "d")
CHANGE_SECONDS = 3.0
PAUSE_SECONDS = 0.02
ENDED_WITHIN = 60


class Group:
    """Instances that share the partitions; an unknown outcome is followed by a restart."""

    def __init__(self, logs: IntakeLogs) -> None:
        self._logs = logs
        self._running: dict[str, BaseProcess] = {}
        self._leaving: dict[str, BaseProcess] = {}
        self.unknown_outcomes = 0
        self.most_owners = 0

    def join(self, name: str) -> None:
        if name in self._leaving:
            self._ended(name, self._leaving.pop(name))
        intake = Intake(
            settings=self._logs.settings("replay"), source=self._logs.source.name, instance=name
        )
        self._running[name] = intake.start()

    def leave(self, name: str) -> None:
        self._leaving[name] = self._running.pop(name)
        self._leaving[name].terminate()

    def change(self, choose: random.Random) -> None:
        """One joins or leaves; at least one stays."""
        self.most_owners = max(self.most_owners, len(self._logs.owners()))
        name = choose.choice(INSTANCES)
        if name not in self._running:
            self.join(name)
        elif len(self._running) > 1:
            self.leave(name)
        else:
            self.join(choose.choice([one for one in INSTANCES if one != name]))

    def watch(self) -> None:
        """Start again whoever has ended, as the supervisor does."""
        for name, process in [*self._running.items()]:
            if process.exitcode is not None:
                assert process.exitcode == EXIT_UNKNOWN_OUTCOME
                self.unknown_outcomes += 1
                self.join(name)

    def finish(self) -> None:
        """Wait until everything is processed, then let everyone leave."""

        def processed() -> bool:
            self.watch()
            return self._logs.processed()

        wait_until(processed, timeout=timedelta(seconds=90), what="the rest of the raw log")
        for name in [*self._running]:
            self.leave(name)
        for name, process in self._leaving.items():
            self._ended(name, process)

    def _ended(self, name: str, process: BaseProcess) -> None:
        process.join(ENDED_WITHIN)
        if process.exitcode == EXIT_UNKNOWN_OUTCOME:
            self.unknown_outcomes += 1
        else:
            assert process.exitcode == 0, f"instance {name}"

    def kill(self) -> None:
        for process in (*self._running.values(), *self._leaving.values()):
            process.kill()


@pytest.fixture
def logs(stack: EmbeddedStack) -> Iterator[IntakeLogs]:
    made = IntakeLogs(stack.kafka, PARTITIONS)
    yield made
    made.close()


@pytest.fixture
def group(logs: IntakeLogs) -> Iterator[Group]:
    made = Group(logs)
    yield made
    made.kill()


def test_who_joins_and_leaves_changes_nothing(
    logs: IntakeLogs,
    group: Group,
    pytestconfig: pytest.Config,
    record_testsuite_property: Callable[[str, object], None],
) -> None:
    choose = random.Random(5)
    traffic = Traffic(logs, seed=5)
    group.join("a")
    group.join("b")
    end = time.monotonic() + pytestconfig.getoption("--rebalance-seconds")
    change = time.monotonic() + CHANGE_SECONDS
    changes = 0
    while time.monotonic() < end:
        traffic.publish(PARTITIONS)
        group.watch()
        if time.monotonic() >= change:
            group.change(choose)
            changes += 1
            change += CHANGE_SECONDS
        time.sleep(PAUSE_SECONDS)
    logs.producer.flush(60)
    group.finish()
    record_testsuite_property("intake group changes", changes)
    record_testsuite_property("intake unknown outcomes", group.unknown_outcomes)
    assert group.most_owners > 1
    assert logs.differences() == []
