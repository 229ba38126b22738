"""One source with its topics, and what an uninterrupted intake makes of its raw log."""

import random
import uuid
from collections.abc import Iterator
from typing import Any, NamedTuple

from streaming.intake.counters import intake_group, partition_counters
from streaming.intake.gate import Clock, PartitionState
from streaming.intake.raw import RawEvents
from streaming.intake.rules import IntakeRules
from streaming.kafka.admin import Admin
from streaming.kafka.avro import AvroCodec
from streaming.kafka.client import build_admin, build_producer
from streaming.kafka.connection import KafkaConnection
from streaming.kafka.reader import RangeReader
from streaming.kafka.record import Record
from streaming.kafka.schemas import event_schema
from streaming.kafka.topics import dead_topic, late_topic, raw_topic, validated_topic
from streaming.settings import Settings
from tests.integration.intake_worker import LATENESS_MS, intake_source

START_MS = 1_000_000_000_000
STEP_MS = 20
# As many events as one lateness is long: a duplicate is known only by an event further back than
# one batch, which another process may have written.
WINDOW = LATENESS_MS // STEP_MS


class Row(NamedTuple):
    """What must be equal of a record; the validated log has the times of sending."""

    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    timestamp: int | None


class IntakeLogs:
    """The four topics of a new source."""

    def __init__(self, kafka: KafkaConnection, partitions: int) -> None:
        self.kafka = kafka
        self.partitions = partitions
        self.source = intake_source(f"chaos_{uuid.uuid4().hex[:8]}")
        self.avro = AvroCodec(event_schema(self.source))
        self.admin = Admin(kafka)
        self.admin.create_source_topics(self.source, partitions)
        self.reader = RangeReader(kafka)
        self.producer = build_producer(kafka)

    def close(self) -> None:
        for client in (self.admin, self.reader, self.producer):
            client.close()

    def settings(self, clock: Clock) -> Settings:
        return Settings(
            bootstrap_servers=self.kafka.bootstrap_servers,
            partitions=self.partitions,
            clock=clock,
        )

    def owners(self) -> set[str]:
        """Return the names of the members that own partitions."""
        group = intake_group(self.source)
        client = build_admin(self.kafka)
        described = client.describe_groups([group])[group]["members"]
        client.close()
        return {
            one["group_instance_id"].removeprefix(f"{group}.")
            for one in described
            if one["member_assignment"] and one["member_assignment"]["assigned_partitions"]
        }

    @property
    def outputs(self) -> list[str]:
        return [named(self.source) for named in (validated_topic, late_topic, dead_topic)]

    def publish(self, partition: int, **record: Any) -> None:
        self.producer.send(raw_topic(self.source), partition=partition, **record)

    def processed(self) -> bool:
        """Whether the offsets of everything that was flushed are committed."""
        committed = self.admin.committed(intake_group(self.source), raw_topic(self.source))
        ends = self.admin.end_offsets(raw_topic(self.source), "read_committed")
        return all(p in committed and committed[p].offset >= end for p, end in ends.items())

    def records(self, topic: str, partition: int) -> list[Record]:
        end = self.admin.end_offsets(topic, "read_uncommitted")[partition]
        return list(self.reader.read(topic, partition, 0, end))

    def differences(self) -> list[str]:
        """Return where the topics or counters are not those of an uninterrupted intake."""
        counters = partition_counters(self.kafka, self.source)
        found = []
        for partition in range(self.partitions):
            state, expected = self._uninterrupted(partition)
            for topic in self.outputs:
                rows = [self._row(record) for record in self.records(topic, partition)]
                if rows != expected[topic]:
                    found.append(
                        f"{topic}-{partition}: got {len(rows)} records, not these "
                        f"{len(expected[topic])}"
                    )
            nonzero = {outcome: n for outcome, n in counters[partition].items() if n}
            if nonzero != state.counters:
                found.append(f"partition {partition}: counted {nonzero}, not {state.counters}")
        return found

    def _uninterrupted(self, partition: int) -> tuple[PartitionState, dict[str, list[Row]]]:
        rules, raw = IntakeRules(self.source, "replay"), RawEvents(self.source)
        state = PartitionState(self.source.lateness_ms)
        expected: dict[str, list[Row]] = {topic: [] for topic in self.outputs}
        for record in self.records(raw_topic(self.source), partition):
            output = rules.judge(state, record, raw.event, record.value, 2 * START_MS)
            if output is not None:
                expected[output.topic].append(
                    Row(output.key, output.value, output.headers, output.timestamp_ms)
                )
        state.commit()
        return state, expected

    def _row(self, record: Record) -> Row:
        in_log = record.topic == validated_topic(self.source)
        headers = tuple((name, value or b"") for name, value in record.headers)
        return Row(record.key, record.value, headers, None if in_log else record.timestamp)


class Traffic:
    """Events of every kind, one partition after the other; about one in three is not accepted."""

    def __init__(self, logs: IntakeLogs, seed: int) -> None:
        self._logs = logs
        self._choose = random.Random(seed)
        self._steps = self._each_step()

    def publish(self, count: int) -> None:
        """Publish the next records, without a flush."""
        for _ in range(count):
            next(self._steps)

    def _each_step(self) -> Iterator[None]:
        logs, choose = self._logs, self._choose
        sent: list[list[tuple[str, int]]] = [[] for _ in range(logs.partitions)]
        n = 0
        while True:
            for partition in range(logs.partitions):
                n += 1
                known = sent[partition]
                now_ms = START_MS + STEP_MS * len(known)
                kind = choose.randrange(12)
                if kind == 0 and known:
                    self._event(partition, *choose.choice(known[-WINDOW // 2 :]))
                elif kind == 1 and known:
                    event_id, time_ms = choose.choice(known[-WINDOW // 2 :])
                    self._event(partition, event_id, time_ms, amount=2)
                elif kind == 2:
                    self._event(partition, f"late{n}", now_ms - 2 * LATENESS_MS)
                elif kind == 3:
                    logs.publish(
                        partition,
                        key=b"\xfe",
                        value=choose.randbytes(20),
                        headers=[("trace", b"%d" % n)],
                        timestamp_ms=n,
                    )
                elif kind == 4:
                    time_ms = now_ms - choose.randrange(LATENESS_MS)
                    value = logs.avro.encode_single_object({"event_time_ms": time_ms})
                    logs.publish(partition, value=value)
                else:
                    known.append((f"e{n}", now_ms - choose.randrange(LATENESS_MS // 2)))
                    self._event(partition, *known[-1])
                yield

    def _event(self, partition: int, event_id: str, time_ms: int, amount: int = 1) -> None:
        event = {"event_id": event_id, "event_time_ms": time_ms, "item": "a", "amount": amount}
        value = self._logs.avro.encode_single_object(event)
        self._logs.publish(partition, key=event_id.encode(), value=value)
