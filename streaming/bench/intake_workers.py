"""The processes of the intake benchmark: each function runs in one of its own, and returns."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from features.source import EventSource
from streaming.bench.intake_load import PARTITIONS, bench_definitions, bench_event
from streaming.intake.gate import Clock
from streaming.intake.process import IntakeProcessor
from streaming.intake.raw import RawEvents
from streaming.kafka.admin import Admin
from streaming.kafka.avro import AvroCodec
from streaming.kafka.client import build_producer, build_reader
from streaming.kafka.connection import KafkaConnection
from streaming.kafka.loop import ExactlyOnceLoop, Processor
from streaming.kafka.partitioning import key_partition
from streaming.kafka.reader import RangeReader
from streaming.kafka.record import OutputRecord, Record
from streaming.kafka.schemas import event_schema
from streaming.kafka.topics import raw_topic, validated_topic

_FLUSH_SECONDS = 60.0
_PACE_SECONDS = 0.005


@dataclass(frozen=True, kw_only=True)
class Run:
    """How long a loop took for its records, from the first batch to the last commit.

    Attributes:
        records: number of records that were read.
        wall_seconds: time that passed.
        cpu_seconds: time that all threads of the process computed.
    """

    records: int
    wall_seconds: float
    cpu_seconds: float


class _Timed:
    """A processor that stops its loop after a number of records."""

    def __init__(self, processor: Processor, records: int, stop: threading.Event) -> None:
        self._processor = processor
        self._records, self._stop = records, stop
        self._done = self._staged = 0
        self._began: tuple[float, float] | None = None
        self.run: Run | None = None

    def assigned(self, committed: dict[int, str | None]) -> None:
        self._processor.assigned(committed)

    def before_transaction(self, batch: Sequence[Record]) -> None:
        self._processor.before_transaction(batch)

    def process(self, batch: Sequence[Record]) -> list[OutputRecord]:
        if self._began is None:
            self._began = time.perf_counter(), time.process_time()
        self._staged = len(batch)
        return self._processor.process(batch)

    def tick(self, positions: dict[int, int]) -> list[OutputRecord]:
        return self._processor.tick(positions)

    def metadata(self, partition: int) -> str:
        return self._processor.metadata(partition)

    def committed(self) -> None:
        self._processor.committed()
        self._done, self._staged = self._done + self._staged, 0
        if self._began is not None and self._done >= self._records and self.run is None:
            wall, cpu = self._began
            self.run = Run(
                records=self._done,
                wall_seconds=time.perf_counter() - wall,
                cpu_seconds=time.process_time() - cpu,
            )
            self._stop.set()

    def aborted(self) -> None:
        self._processor.aborted()


class _Copy:
    """Writes each record to another topic as it is."""

    def __init__(self, topic: str) -> None:
        self._topic = topic

    def assigned(self, committed: dict[int, str | None]) -> None:
        """There is no state."""

    def before_transaction(self, batch: Sequence[Record]) -> None:
        """There is nothing to wait for."""

    def process(self, batch: Sequence[Record]) -> list[OutputRecord]:
        return [
            OutputRecord(self._topic, record.partition, record.key, record.value)
            for record in batch
        ]

    def tick(self, positions: dict[int, int]) -> list[OutputRecord]:
        del positions
        return []

    def metadata(self, partition: int) -> str:
        del partition
        return ""

    def committed(self) -> None:
        """There is no state."""

    def aborted(self) -> None:
        """There is no state."""


def run_copy(kafka: KafkaConnection, source: EventSource, topic: str, records: int) -> Run:
    """Copy the raw records of a source, exactly once."""
    return _run_loop(kafka, source, _Copy(topic), records)


def run_intake(kafka: KafkaConnection, source: EventSource, clock: Clock, records: int) -> Run:
    """Run the intake of a source until that many records are processed."""
    with Admin(kafka) as admin:
        reader = RangeReader(kafka)
        processor = IntakeProcessor(
            source=source,
            raw=RawEvents(source),
            slides_ms=bench_definitions(source).slides_ms(source),
            clock=clock,
            admin=admin,
            reader=reader,
            now_ms=lambda: time.time_ns() // 1_000_000,
        )
        run = _run_loop(kafka, source, processor, records)
        reader.close()
        return run


def _run_loop(
    kafka: KafkaConnection, source: EventSource, processor: Processor, records: int
) -> Run:
    stop = threading.Event()
    timed = _Timed(processor, records, stop)
    ExactlyOnceLoop(
        kafka=kafka,
        topic=raw_topic(source),
        group=f"bench.{type(processor).__name__}.{source.name}",
        instance="0",
        processor=timed,
    ).run(stop)
    if timed.run is None:
        msg = "the loop ended before its records were done"
        raise RuntimeError(msg)
    return timed.run


def publish_at(
    kafka: KafkaConnection, source: EventSource, events: int, per_second: float
) -> float:
    """Publish events of the present at a steady rate; return the rate that was reached."""
    producer, codec = build_producer(kafka, linger_ms=1), AvroCodec(event_schema(source))
    began = time.perf_counter()
    sent = 0
    while sent < events:
        due = min(events, int((time.perf_counter() - began) * per_second) + 1)
        for number in range(sent, due):
            event = bench_event(number, time.time_ns() // 1_000_000)
            key = event["event_id"].encode()
            producer.send(
                raw_topic(source),
                key=key,
                value=codec.encode_single_object(event),
                partition=key_partition(key, PARTITIONS),
            )
        sent = due
        time.sleep(_PACE_SECONDS)
    producer.flush(_FLUSH_SECONDS)
    reached = events / (time.perf_counter() - began)
    producer.close()
    return reached


def latencies_ms(
    kafka: KafkaConnection, source: EventSource, warm_up: int, events: int
) -> list[float]:
    """Return p50 and p99 of how long events took to be readable in the validated log.

    From the moment at which the producer made one, which is its event time, until a consumer of
    committed records has it. The first events, of the warm-up, are left out.
    """
    consumer, codec = build_reader(kafka), AvroCodec(event_schema(source))
    consumer.subscribe([validated_topic(source)])
    found: list[float] = []
    while len(found) < warm_up + events:
        polled = consumer.poll(timeout_ms=100)
        now_ms = time.time() * 1_000
        for records in polled.values():
            for record in records:
                event = codec.decode(record.value)
                if event["event_id"] is not None:
                    found.append(now_ms - event["event_time_ms"])
    consumer.close()
    return [float(each) for each in np.percentile(found[warm_up:], [50, 99])]
