"""History into the validated log, killed and continued; then a replay through a real intake."""

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from import_worker import END_MS, START_MS, history, run_import
from intake_worker import (
    LATENESS_MS,
    PARTITIONS,
    SLIDE_MS,
    intake_definitions,
    intake_settings,
    intake_source,
)

from features.source import EventSource
from streaming.intake.codec import EventCodec
from streaming.intake.comparison import ImportConflictError
from streaming.intake.counters import intake_counters, intake_group
from streaming.intake.event_order import EventOrderError
from streaming.intake.gate import Outcome
from streaming.intake.replayer import ReplaySpeedError, replay
from streaming.kafka.admin import Admin, TopicError
from streaming.kafka.connection import KafkaConnection
from streaming.kafka.partitioning import key_partition
from streaming.kafka.producer import EventProducer
from streaming.kafka.reader import RangeReader
from streaming.kafka.topics import dead_topic, late_topic, raw_topic, validated_topic
from streaming.local.stack import EmbeddedStack

pytestmark = pytest.mark.kafka

HERE = Path(__file__).parent
ROOT = Path(__file__).parents[2]


class Place:
    """One source with its topics."""

    def __init__(self, kafka: KafkaConnection) -> None:
        self.kafka = kafka
        self.source: EventSource = intake_source(f"history_{uuid.uuid4().hex[:8]}")
        self.codec = EventCodec(self.source)
        with Admin(kafka) as admin:
            admin.create_source_topics(self.source, PARTITIONS)

    def records(self, topic: str) -> list[list[tuple[bytes | None, bytes]]]:
        """Committed keys and values of each partition."""
        with Admin(self.kafka) as admin:
            ends = admin.end_offsets(topic, "read_committed")
        reader = RangeReader(self.kafka)
        try:
            return [
                [(r.key, r.value or b"") for r in reader.read(topic, partition, 0, end)]
                for partition, end in sorted(ends.items())
            ]
        finally:
            reader.close()

    def log(self) -> list[list[tuple[bytes | None, bytes]]]:
        return self.records(validated_topic(self.source))

    def dead(self) -> list[bytes | None]:
        return sorted(
            key or b"" for part in self.records(dead_topic(self.source)) for key, _ in part
        )

    def times(self, part: list[tuple[bytes | None, bytes]]) -> list[tuple[int, str | None]]:
        events = [self.codec.from_log(value) for _, value in part]
        return [(event.event_time_ms, event.event_id) for event in events]

    def run_import(self, events: Iterator[dict[str, Any]], end_ms: int = END_MS) -> Any:
        return run_import(self.source.name, self.kafka.bootstrap_servers, events, end_ms)

    @contextmanager
    def intake(self) -> Iterator[None]:
        command = [sys.executable, HERE / "intake_worker.py", self.source.name]
        process = _start([*command, self.kafka.bootstrap_servers, "replay"])
        try:
            yield
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
        finally:
            process.kill()
            process.wait()

    def counters(self) -> dict[Outcome, int]:
        """Outcomes of everything published so far, once intake has committed it."""
        with Admin(self.kafka) as admin:
            topic = raw_topic(self.source)
            ends = admin.end_offsets(topic, "read_committed")
            deadline = time.monotonic() + 60
            while True:
                done = admin.committed(intake_group(self.source), topic)
                if all(p in done and done[p].offset >= end for p, end in ends.items()):
                    break
                assert time.monotonic() < deadline, f"intake stands at {done} of {ends}"
                time.sleep(0.05)
        found = intake_counters(self.kafka, self.source)
        return {outcome: count for outcome, count in found.items() if count}


def _start(command: list[Any], stdout: int | None = None) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, env=environment, stdout=stdout)


@pytest.fixture
def place(stack: EmbeddedStack) -> Place:
    return Place(stack.kafka)


@pytest.fixture(scope="module")
def imported(stack: EmbeddedStack) -> Place:
    """Where the history was imported in one go."""
    whole = Place(stack.kafka)
    report = whole.run_import(history())
    assert (report.accepted, report.dead, report.duplicates, report.found) == (3_960, 40, 0, 0)
    return whole


def test_an_import_is_the_history_in_order_closed_by_heartbeats(imported: Place) -> None:
    valid = [event for event in history() if event["amount"] <= 1_000]
    # W*(end) is one lateness before the end; heartbeats start one slide before that.
    closing = list(range(END_MS - LATENESS_MS - SLIDE_MS, END_MS + 1, SLIDE_MS))
    for partition, part in enumerate(imported.log()):
        assert imported.times(part) == [
            *(
                (event["event_time_ms"], event["event_id"])
                for event in valid
                if key_partition(event["event_id"].encode(), PARTITIONS) == partition
            ),
            *((instant, None) for instant in closing),
        ]
        assert all(
            key == (event_id and event_id.encode())
            for (key, _), (_, event_id) in zip(part, imported.times(part), strict=True)
        )
    assert imported.dead() == [f"e{n:05}".encode() for n in range(50, 4_000, 100)]
    assert imported.records(late_topic(imported.source)) == [[], []]


@pytest.mark.parametrize("stop_after", [10, 2_300])
def test_a_killed_import_goes_on_to_the_same_bytes(
    imported: Place, place: Place, stop_after: int
) -> None:
    command = [sys.executable, HERE / "import_worker.py", place.source.name]
    command += [place.kafka.bootstrap_servers, str(stop_after)]
    with _start(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"stopped\n"
        finally:
            process.kill()
    report = place.run_import(history())
    # Four transactions of 500 records were committed before the kill, 20 dead letters among them.
    assert report.found == {10: 0, 2_300: 1_980}[stop_after]
    assert (report.accepted, report.dead) == (3_960, 40)
    assert place.log() == imported.log()
    assert place.dead() == imported.dead()


def test_importing_again_writes_nothing(imported: Place) -> None:
    before = imported.log()
    report = imported.run_import(history())
    assert report.found == sum(map(len, before))
    assert imported.log() == before
    assert imported.dead() == [f"e{n:05}".encode() for n in range(50, 4_000, 100)]


def test_a_log_with_other_history_is_refused_and_left_alone(imported: Place) -> None:
    before = imported.log()
    for events, end_ms in (
        (history(4_100), END_MS),
        (history(3_000), END_MS),
        (history(), END_MS + 500),
        (iter(list(history())[1:]), END_MS),
    ):
        with pytest.raises(ImportConflictError, match="other history needs a new log"):
            imported.run_import(events, end_ms)
    assert imported.log() == before


def test_events_out_of_order_leave_nothing_behind(place: Place) -> None:
    events = list(history(100))
    with pytest.raises(EventOrderError):
        place.run_import(iter([*events, events[5]]))
    assert place.log() == [[], []]
    assert place.run_import(iter(events)).found == 0


def test_a_missing_topic_is_refused(stack: EmbeddedStack) -> None:
    with pytest.raises(TopicError, match="does not exist"):
        run_import(f"absent_{uuid.uuid4().hex[:8]}", stack.bootstrap_servers, history(10))


def test_a_replay_goes_through_intake_with_nothing_late_doubled_or_dead(place: Place) -> None:
    place.run_import(history(1_000), START_MS + 7_000)
    later = [event for event in history(3_000) if event["event_time_ms"] >= START_MS + 7_000]
    later = [event for event in later if event["amount"] <= 1_000]
    reached: list[int] = []
    with place.intake():
        report = replay(
            intake_settings(place.kafka.bootstrap_servers, "replay"),
            intake_definitions(place.source),
            {place.source.name: later},
            start_ms=START_MS + 7_000,
            speed=7.0,
            progress=reached.append,
        )
        counters = place.counters()
        assert counters == {
            Outcome.ACCEPTED: len(later),
            Outcome.HEARTBEAT: report.heartbeats * PARTITIONS,
        }
        # The control: the same events once more are late, or doubled if they are the newest.
        with EventProducer(place.source, place.kafka) as producer:
            producer.send(later[0])
            producer.send(later[-1])
        again = place.counters()
        assert again[Outcome.LATE] == 2
    assert report.events == len(later)
    assert 6 < report.speed <= 7.1
    assert reached == sorted(reached)
    last_ms = later[-1]["event_time_ms"]
    for part in place.log():
        times = [time_ms for time_ms, _ in place.times(part)]
        # Sorted, as nothing overtook a heartbeat or was overtaken by one.
        assert times == sorted(times)
        beats = [time_ms for time_ms, event_id in place.times(part) if event_id is None]
        beats = [instant for instant in beats if instant > START_MS + 7_000]
        first = START_MS + 7_000 + SLIDE_MS
        assert beats == list(range(first, beats[-1] + 1, SLIDE_MS))
        assert beats[-1] > last_ms + LATENESS_MS


def test_a_replay_without_speed_is_refused(place: Place) -> None:
    definitions = intake_definitions(place.source)
    settings = intake_settings(place.kafka.bootstrap_servers, "replay")
    with pytest.raises(ReplaySpeedError, match="allowed is more than 0"):
        replay(settings, definitions, {}, start_ms=0, speed=0)
