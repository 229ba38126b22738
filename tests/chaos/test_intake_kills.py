"""Intake is killed at every step of its transactions; the logs are those of one that never was."""

import random
import signal
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from streaming.kafka.topics import validated_topic
from streaming.local.stack import EmbeddedStack
from streaming.local.waiting import wait_until
from tests.chaos.intake_logs import IntakeLogs, Traffic
from tests.chaos.intake_process import STEPS, Fatal, Intake, Step

pytestmark = pytest.mark.kafka

PARTITIONS = 2
BATCH_RECORDS = 40
LAST_TRANSACTION = 3
ENDED_WITHIN = 60


@pytest.fixture
def logs(stack: EmbeddedStack) -> Iterator[IntakeLogs]:
    made = IntakeLogs(stack.kafka, PARTITIONS)
    yield made
    made.close()


def fatal(step: Step, seed: int) -> Fatal:
    choose = random.Random(f"{step} {seed}")
    return Fatal(
        step=step,
        transaction=choose.randint(1, LAST_TRANSACTION),
        delay_seconds=choose.random() * 0.005,
        flushed=choose.random() < 0.5,
    )


def killed(logs: IntakeLogs, kills: list[Fatal], defect: str | None = None) -> None:
    """Publish traffic, and process it by intakes that are killed so, and a last one that is not."""
    Traffic(logs, seed=1).publish((len(kills) + 1) * LAST_TRANSACTION * BATCH_RECORDS)
    logs.producer.flush(60)
    intake = Intake(
        settings=logs.settings("replay"),
        source=logs.source.name,
        batch_records=BATCH_RECORDS,
        defect=defect,
    )
    for kill in kills:
        process = replace(intake, fatal=kill).start()
        process.join(ENDED_WITHIN)
        assert process.exitcode == -signal.SIGKILL, kill
    assert not logs.processed()
    process = intake.start()
    wait_until(logs.processed, timeout=timedelta(seconds=60), what="the rest of the raw log")
    process.terminate()
    process.join(ENDED_WITHIN)
    assert process.exitcode == 0


def test_without_a_kill(logs: IntakeLogs) -> None:
    killed(logs, [])
    assert logs.differences() == []


@pytest.mark.parametrize("step", STEPS)
def test_a_kill_changes_nothing(logs: IntakeLogs, step: Step, pytestconfig: pytest.Config) -> None:
    kills = pytestconfig.getoption("--intake-kills")
    killed(logs, [fatal(step, seed) for seed in range(kills)])
    assert logs.differences() == []


@pytest.mark.parametrize(
    ("defect", "step"),
    [
        ("state not restored", "during commit"),
        ("offsets outside of the transaction", "after offsets"),
    ],
)
def test_a_defect_is_noticed(logs: IntakeLogs, defect: str, step: Step) -> None:
    killed(logs, [Fatal(step=step, transaction=2) for _ in range(3)], defect)
    different = logs.differences()
    assert any(one.startswith(validated_topic(logs.source)) for one in different), different
