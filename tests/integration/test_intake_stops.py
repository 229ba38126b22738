"""Intake that cannot write a letter stops and says so; the offsets stay where they were."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta

import pytest
from kafka.admin import ConfigResource

from streaming.intake.counters import intake_group
from streaming.kafka.client import MAX_RECORD_BYTES, build_admin
from streaming.kafka.topics import dead_topic, late_topic, raw_topic
from streaming.local.stack import EmbeddedStack
from streaming.local.waiting import wait_until
from tests.chaos.intake_logs import START_MS, IntakeLogs
from tests.integration.intake_worker import LATENESS_MS, PARTITIONS

pytestmark = pytest.mark.kafka

SAMESTREAM = (sys.executable, "-m", "streaming.cli")
TOPICS = {"dead": dead_topic, "late": late_topic}
SMALL_BYTES = 1_000
PATIENCE = timedelta(seconds=60)


@pytest.fixture
def logs(stack: EmbeddedStack) -> Iterator[IntakeLogs]:
    made = IntakeLogs(stack.kafka, PARTITIONS)
    yield made
    made.close()


@pytest.fixture
def commands() -> Iterator[list[subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []
    yield started
    for process in started:
        process.kill()
        process.communicate()


def start(logs: IntakeLogs) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*SAMESTREAM, "run", "intake", logs.source.name, "--instance", "one"],
        env=os.environ
        | {
            "PYTHONPATH": os.pathsep.join(sys.path),
            "SAMESTREAM_DEFINITIONS": "tests.integration.intake_cli_definitions",
            "SAMESTREAM_TEST_SOURCE": logs.source.name,
            "SAMESTREAM_BOOTSTRAP_SERVERS": logs.kafka.bootstrap_servers,
            "SAMESTREAM_PARTITIONS": str(PARTITIONS),
            "SAMESTREAM_CLOCK": "replay",
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def publish(logs: IntakeLogs) -> None:
    """One event, then one that is late, and rubbish, both large."""
    for event_id, time_ms, item in (
        ("first", START_MS, "a"),
        ("late", START_MS - LATENESS_MS, "a" * 2 * SMALL_BYTES),
    ):
        event = {"event_id": event_id, "event_time_ms": time_ms, "item": item, "amount": 1}
        logs.publish(0, key=b"k", value=logs.avro.encode_single_object(event))
    logs.publish(0, key=b"k", value=b"\xff" * 2 * SMALL_BYTES)
    logs.producer.flush(30)


def stopped(logs: IntakeLogs, process: subprocess.Popen[str]) -> str:
    """Return what a process says when it ends by itself, with its offsets unmoved."""
    _, said = process.communicate(timeout=PATIENCE.total_seconds())
    assert process.returncode == 1
    assert said.count("\n") == 1
    committed = logs.admin.committed(intake_group(logs.source), raw_topic(logs.source))
    assert all(one.offset == 0 for one in committed.values())
    return said


def finished(logs: IntakeLogs, process: subprocess.Popen[str]) -> None:
    wait_until(logs.processed, timeout=PATIENCE, what="the raw log")
    process.terminate()
    assert process.wait(PATIENCE.total_seconds()) == 0
    assert logs.differences() == []


def limit(logs: IntakeLogs, topic: str, largest: int) -> None:
    with closing(build_admin(logs.kafka)) as client:
        client.alter_configs([ConfigResource("topic", topic, {"max.message.bytes": largest})])


@pytest.mark.parametrize("kind", TOPICS)
def test_a_letter_too_large_for_its_topic(
    logs: IntakeLogs, commands: list[subprocess.Popen[str]], kind: str
) -> None:
    topic = TOPICS[kind](logs.source)
    limit(logs, topic, SMALL_BYTES)
    publish(logs)
    commands.append(start(logs))
    said = stopped(logs, commands[-1])
    assert f"topic '{topic}', partition 0: a record of 20" in said
    assert "MessageSizeTooLarge" in said
    limit(logs, topic, MAX_RECORD_BYTES)
    commands.append(start(logs))
    finished(logs, commands[-1])


def test_a_topic_that_was_deleted(logs: IntakeLogs, commands: list[subprocess.Popen[str]]) -> None:
    topic = dead_topic(logs.source)
    commands.append(start(logs))
    wait_until(lambda: logs.owners() == {"one"}, timeout=PATIENCE, what="the owner")
    with closing(build_admin(logs.kafka)) as client:
        client.delete_topics([topic])
    publish(logs)
    assert f"topic '{topic}' does not exist" in stopped(logs, commands[-1])
    logs.admin.create_source_topics(logs.source, PARTITIONS)
    commands.append(start(logs))
    finished(logs, commands[-1])
