"""Ten minutes without intake, by a clock that is set ahead: nothing is late, no gap."""

import time
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise

import pytest

from streaming.intake.codec import EventCodec
from streaming.intake.counters import partition_counters
from streaming.intake.gate import Outcome
from streaming.kafka.topics import validated_topic
from streaming.local.stack import EmbeddedStack
from streaming.local.waiting import wait_until
from tests.chaos.intake_logs import IntakeLogs
from tests.chaos.intake_process import Intake
from tests.integration.intake_worker import SLIDE_MS

pytestmark = pytest.mark.kafka

OUTAGE_MS = 600_000
EVENTS = 2_000
BUSY, SILENT = 0, 1
PATIENCE = timedelta(seconds=60)


@pytest.fixture
def logs(stack: EmbeddedStack) -> Iterator[IntakeLogs]:
    made = IntakeLogs(stack.kafka, 2)
    yield made
    made.close()


def newest_ms(logs: IntakeLogs, partition: int) -> int:
    codec = EventCodec(logs.source)
    log = logs.records(validated_topic(logs.source), partition)
    return max((codec.from_log(one.value or b"").event_time_ms for one in log), default=0)


def run_until(logs: IntakeLogs, intake: Intake, until_ms: int) -> None:
    """Run intake until both partitions have reached a time."""
    process = intake.start()
    try:
        wait_until(
            lambda: all(newest_ms(logs, partition) >= until_ms for partition in (BUSY, SILENT)),
            timeout=PATIENCE,
            what="heartbeats in both partitions",
        )
        process.terminate()
        process.join(PATIENCE.total_seconds())
        assert process.exitcode == 0
    finally:
        process.kill()


def test_an_outage_of_ten_minutes(logs: IntakeLogs) -> None:
    start_ms = time.time_ns() // 1_000_000
    settings = logs.settings("wall")
    run_until(logs, Intake(settings=settings, source=logs.source.name), start_ms + 2 * SLIDE_MS)

    queued_ms = time.time_ns() // 1_000_000
    for n in range(EVENTS):
        event = {
            "event_id": f"e{n}",
            "event_time_ms": queued_ms + n * OUTAGE_MS // EVENTS,
            "item": "a",
            "amount": 1,
        }
        logs.publish(BUSY, key=b"k", value=logs.avro.encode_single_object(event))
    logs.producer.flush(30)
    ahead = Intake(
        settings=settings,
        source=logs.source.name,
        clock_ahead_ms=OUTAGE_MS,
        # Small transactions: the clock must not overtake what is still in the raw log.
        batch_records=100,
    )
    run_until(logs, ahead, queued_ms + OUTAGE_MS)

    counters = partition_counters(logs.kafka, logs.source)
    assert counters[BUSY][Outcome.ACCEPTED] == EVENTS
    assert counters[BUSY][Outcome.LATE] == counters[BUSY][Outcome.DEAD] == 0
    assert counters[SILENT][Outcome.ACCEPTED] == 0
    codec = EventCodec(logs.source)
    for partition in (BUSY, SILENT):
        log = [
            codec.from_log(record.value or b"")
            for record in logs.records(validated_topic(logs.source), partition)
        ]
        beats = [event.event_time_ms for event in log if event.event_id is None]
        assert counters[partition][Outcome.HEARTBEAT] == len(beats)
        gaps = {later - earlier for earlier, later in pairwise(beats)}
        if partition == SILENT:
            assert gaps == {SLIDE_MS}
