"""The intake process between real topics: good, bad, late, doubled events; kill -9; heartbeats."""

import os
import random
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from intake_worker import (
    LATENESS_MS,
    PARTITIONS,
    SLIDE_MS,
    intake_source,
)
from kafka import TopicPartition

from features.source import EventSource
from streaming.intake.codec import EventCodec
from streaming.intake.counters import intake_counters, intake_group
from streaming.intake.raw import RawEvents
from streaming.kafka.admin import Admin, TopicError
from streaming.kafka.avro import AvroCodec
from streaming.kafka.client import MAX_RAW_RECORD_BYTES, build_admin, build_producer
from streaming.kafka.connection import KafkaConnection
from streaming.kafka.producer import EventProducer, PublishError
from streaming.kafka.reader import RangeReader
from streaming.kafka.schemas import event_schema
from streaming.kafka.topics import dead_topic, late_topic, raw_topic, validated_topic
from streaming.local.stack import EmbeddedStack

pytestmark = pytest.mark.kafka

WORKER = Path(__file__).with_name("intake_worker.py")
ROOT = Path(__file__).parents[2]
START_MS = 1_000_000_000_000


class Rig:
    """One source with its topics, and everything that is in them."""

    def __init__(self, kafka: KafkaConnection) -> None:
        self.kafka = kafka
        self.source: EventSource = intake_source(f"src_{uuid.uuid4().hex[:8]}")
        self.avro = AvroCodec(event_schema(self.source))
        self.codec = EventCodec(self.source)
        self.admin = Admin(kafka)
        self.admin.create_source_topics(self.source, PARTITIONS)
        self.reader = RangeReader(kafka)
        self.producer = build_producer(kafka)

    def close(self) -> None:
        for client in (self.admin, self.reader, self.producer):
            client.close()

    def raw(
        self, value: bytes | None, *, key: bytes | None = b"k", partition: int = 0, **more: Any
    ) -> None:
        topic = raw_topic(self.source)
        self.producer.send(topic, value=value, key=key, partition=partition, **more)

    def event(self, time_ms: int, event_id: str, *, partition: int = 0, amount: int = 1) -> None:
        event = {"event_id": event_id, "event_time_ms": time_ms, "item": "a", "amount": amount}
        self.raw(self.avro.encode_single_object(event), key=event_id.encode(), partition=partition)

    def heartbeat(self, time_ms: int, *, partition: int = 0) -> None:
        value = self.avro.encode_single_object({"event_time_ms": time_ms})
        self.raw(value, key=None, partition=partition)

    def start(self, clock: str = "replay") -> subprocess.Popen[bytes]:
        command = [sys.executable, WORKER, self.source.name, self.kafka.bootstrap_servers, clock]
        return subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)})

    @contextmanager
    def intake(self, clock: str = "replay") -> Iterator[subprocess.Popen[bytes]]:
        process = self.start(clock)
        try:
            yield process
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
        finally:
            process.kill()
            process.wait()

    def wait_until_done(self) -> None:
        self.producer.flush(30)
        until(self.processed)

    def processed(self) -> bool:
        committed = self.admin.committed(intake_group(self.source), raw_topic(self.source))
        ends = self.admin.end_offsets(raw_topic(self.source), "read_committed")
        return all(p in committed and committed[p].offset >= end for p, end in ends.items())

    def records(self, topic: str, partition: int = 0) -> list[Any]:
        end = self.admin.end_offsets(topic, "read_uncommitted")[partition]
        return list(self.reader.read(topic, partition, 0, end))

    def validated(self, partition: int = 0) -> list[tuple[bytes | None, bytes]]:
        found = self.records(validated_topic(self.source), partition)
        return [(record.key, record.value) for record in found]

    def delete_before(self, topic: str, partition: int, offset: int) -> None:
        client = build_admin(self.kafka)
        client.delete_records({TopicPartition(topic, partition): offset})
        client.close()

    def counters(self) -> dict[str, int]:
        counted = intake_counters(self.kafka, self.source)
        return {outcome.value: count for outcome, count in counted.items() if count}


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not become true in time"
        time.sleep(0.02)


@pytest.fixture
def rig(stack: EmbeddedStack) -> Iterator[Rig]:
    made = Rig(stack.kafka)
    yield made
    made.close()


def headers(record: Any) -> dict[str, bytes]:
    return dict(record.headers)


def test_every_record_finds_its_place(rig: Rig) -> None:
    rig.event(START_MS, "first")
    rig.event(START_MS, "first")
    rig.event(START_MS + 5, "first")
    rig.event(START_MS + LATENESS_MS, "newest")
    rig.event(START_MS, "late")
    rig.event(START_MS + 1, "just in time")
    rig.heartbeat(START_MS + 2 * LATENESS_MS)
    rig.heartbeat(START_MS + LATENESS_MS)
    rig.event(START_MS + 2 * LATENESS_MS, "out of range", amount=1_001)
    rig.event(int(time.time() * 1000) + 60_000, "tomorrow")
    rig.raw(b"\x00\xffrubbish", key=b"\xfe", headers=[("trace", b"\xfd")], timestamp_ms=77)
    keyless = {"event_id": "x", "event_time_ms": START_MS + 2_000, "item": "a", "amount": 1}
    rig.raw(rig.avro.encode_single_object(keyless), key=None)
    rig.raw(None)
    with rig.intake():
        rig.wait_until_done()

    log = [rig.codec.from_log(value) for _, value in rig.validated()]
    assert [(event.event_id, event.event_time_ms - START_MS) for event in log] == [
        ("first", 0),
        ("newest", LATENESS_MS),
        ("just in time", 1),
        (None, 2 * LATENESS_MS),
    ]
    assert [key for key, _ in rig.validated()] == [b"first", b"newest", b"just in time", None]
    (late,) = rig.records(late_topic(rig.source))
    assert RawEvents(rig.source).event(late.value).event_id == "late"
    assert headers(late)["__connect.errors.reason"] == b"late"
    dead = rig.records(dead_topic(rig.source))
    assert [headers(letter)["__connect.errors.reason"].decode() for letter in dead] == [
        "conflicting",
        "invalid",
        "too_early",
        "undecodable",
        "null_key",
        "undecodable",
    ]
    assert rig.counters() == {
        "accepted": 3,
        "duplicate": 1,
        "late": 1,
        "heartbeat": 1,
        "late_heartbeat": 1,
        "dead": 6,
    }
    raw = rig.records(raw_topic(rig.source))
    by_offset = {int(headers(letter)["__connect.errors.offset"]): letter for letter in dead}
    for offset, letter in by_offset.items():
        original = raw[offset]
        assert (letter.key, letter.value, letter.timestamp) == (
            original.key,
            original.value,
            original.timestamp,
        )
        assert letter.headers[: len(original.headers)] == original.headers
    rubbish = dead[3]
    assert (rubbish.key, rubbish.value, rubbish.timestamp) == (b"\xfe", b"\x00\xffrubbish", 77)
    assert headers(rubbish)["trace"] == b"\xfd"
    assert headers(rubbish)["__connect.errors.topic"] == raw_topic(rig.source).encode()


def test_memory_outlives_the_process(rig: Rig) -> None:
    rig.event(START_MS, "a")
    rig.event(START_MS + 900, "b")
    with rig.intake():
        rig.wait_until_done()
    rig.event(START_MS, "a")
    rig.event(START_MS - 100, "late")
    with rig.intake():
        rig.wait_until_done()
    assert rig.counters() == {"accepted": 2, "duplicate": 1, "late": 1}


def test_the_largest_record_still_fits_as_a_dead_letter(rig: Rig) -> None:
    largest = os.urandom(MAX_RAW_RECORD_BYTES - 200)
    rig.raw(largest)
    with rig.intake():
        rig.wait_until_done()
    assert [record.value for record in rig.records(dead_topic(rig.source))] == [largest]


def mixed_traffic(rig: Rig, count: int) -> None:
    """About one in eight is late, doubled, conflicting or broken; both partitions."""
    choose = random.Random(7)
    for n in range(count):
        time_ms = START_MS + n - choose.randrange(LATENESS_MS // 2)
        partition = n % PARTITIONS
        kind = choose.randrange(32)
        rig.event(time_ms, f"e{n}", partition=partition)
        if kind == 0:
            rig.event(time_ms - 2 * LATENESS_MS, f"late{n}", partition=partition)
        elif kind == 1:
            rig.event(time_ms, f"e{n}", partition=partition)
        elif kind == 2:
            rig.event(time_ms, f"e{n}", partition=partition, amount=2)
        elif kind == 3:
            rig.raw(os.urandom(20), partition=partition)
        elif kind == 4:
            rig.heartbeat(time_ms, partition=partition)
    rig.producer.flush(60)


def copied(rig: Rig) -> Rig:
    """Return another source with the same raw records."""
    other = Rig(rig.kafka)
    other_header = other.avro.encode_single_object({"event_time_ms": 0})[:10]
    own_header = rig.avro.encode_single_object({"event_time_ms": 0})[:10]
    for partition in range(PARTITIONS):
        for record in rig.records(raw_topic(rig.source), partition):
            value = record.value
            if value.startswith(own_header):
                value = other_header + value[10:]
            other.raw(value, key=record.key, partition=partition)
    other.producer.flush(60)
    return other


def test_kill_9_changes_nothing_in_the_log(rig: Rig) -> None:
    mixed_traffic(rig, 6_000)
    killed = copied(rig)
    with rig.intake():
        rig.wait_until_done()

    choose = random.Random(11)
    kills = 0
    output = validated_topic(killed.source)
    while not killed.processed() and kills < 6:
        before = killed.admin.end_offsets(output, "read_uncommitted")
        process = killed.start()
        # Die in the midst of the work, at a random point after the first new record.
        until(
            lambda before=before: (  # type: ignore[misc]
                killed.processed() or killed.admin.end_offsets(output, "read_uncommitted") != before
            )
        )
        time.sleep(choose.random() * 0.15)
        process.kill()
        process.wait()
        kills += 1
    with killed.intake():
        killed.wait_until_done()

    assert kills >= 2
    for partition in range(PARTITIONS):
        assert killed.validated(partition) == rig.validated(partition)
        for topic in (late_topic, dead_topic):
            first, second = (
                Counter(record.value[10:] for record in one.records(topic(one.source), partition))
                for one in (rig, killed)
            )
            assert first == second
    assert killed.counters() == rig.counters()
    assert set(rig.counters()) >= {"accepted", "duplicate", "late", "dead", "heartbeat"}
    killed.close()


def test_heartbeats_follow_the_wall_clock_and_never_make_a_backlog_late(rig: Rig) -> None:
    now_ms = time.time_ns() // 1_000_000
    # A backlog much older than the lateness: the clock must not overtake it.
    for n in range(3_000):
        rig.event(now_ms - 30_000 + 10 * n, f"e{n}")
    rig.producer.flush(30)
    with rig.intake("wall"):
        rig.wait_until_done()
        rig.heartbeat(now_ms)
        until(lambda: rig.counters().get("heartbeat", 0) > 30)
        rig.wait_until_done()
    counters = rig.counters()
    assert counters["accepted"] == 3_000
    assert "late" not in counters
    assert counters["dead"] == 1
    for partition in range(PARTITIONS):
        log = [rig.codec.from_log(value) for _, value in rig.validated(partition)]
        beats = [event.event_time_ms for event in log if event.event_id is None]
        assert len(beats) > 3
        assert beats == list(range(beats[0], beats[-1] + 1, SLIDE_MS))
        assert beats[0] % SLIDE_MS == LATENESS_MS % SLIDE_MS


def test_heartbeats_continue_where_they_stopped(rig: Rig) -> None:
    with rig.intake("wall"):
        until(lambda: rig.counters().get("heartbeat", 0) >= 4)
    time.sleep(3 * SLIDE_MS / 1000)
    before = rig.counters()["heartbeat"]
    with rig.intake("wall"):
        until(lambda: rig.counters()["heartbeat"] >= before + 4)
    for partition in range(PARTITIONS):
        beats = [rig.codec.from_log(value).event_time_ms for _, value in rig.validated(partition)]
        assert beats == list(range(beats[0], beats[-1] + 1, SLIDE_MS))


def test_a_producer_publishes_by_event_id(rig: Rig) -> None:
    events = [
        {"event_id": f"e{n}", "event_time_ms": START_MS + n, "item": "a", "amount": n}
        for n in range(50)
    ]
    with EventProducer(rig.source, rig.kafka) as producer:
        for event in events:
            producer.send(event)
        for partition in range(PARTITIONS):
            producer.heartbeat(START_MS + 100, partition)
        with pytest.raises(PublishError, match="does not fit"):
            producer.send({**events[0], "amount": "many"})
        with pytest.raises(PublishError, match="colour"):
            producer.send({**events[0], "colour": "red"})
    with rig.intake():
        rig.wait_until_done()
    assert rig.counters() == {"accepted": 50, "heartbeat": PARTITIONS}
    keys = [key for p in range(PARTITIONS) for key, _ in rig.validated(p)]
    assert sorted(filter(None, keys)) == sorted(event["event_id"].encode() for event in events)


def test_another_partition_count_is_refused(rig: Rig) -> None:
    with pytest.raises(TopicError, match="got 2 partitions, allowed is 3"):
        rig.admin.create_source_topics(rig.source, PARTITIONS + 1)
    with pytest.raises(TopicError, match="does not exist"):
        rig.admin.check_partitions(["no.such.topic"], 1)
    rig.admin.check_log([raw_topic(rig.source)], PARTITIONS)


def test_a_log_without_its_beginning_is_refused(rig: Rig) -> None:
    for n in range(10):
        rig.event(START_MS + n, f"e{n}")
    rig.producer.flush(30)
    rig.admin.check_log([raw_topic(rig.source)], PARTITIONS)
    rig.delete_before(raw_topic(rig.source), 0, 5)
    with pytest.raises(TopicError, match="starts at offset 5"):
        rig.admin.check_log([raw_topic(rig.source)], PARTITIONS)
    process = rig.start()
    assert process.wait(30) == 1
