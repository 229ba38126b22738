"""The processes of the intake benchmark: each function runs in one of its own, and returns."""

import time

import numpy as np

from features.source import EventSource
from streaming.bench.intake_load import PARTITIONS, bench_definitions, bench_event
from streaming.bench.loops import Run, run_loop
from streaming.intake.gate import Clock
from streaming.intake.process import IntakeProcessor
from streaming.intake.raw import RawEvents
from streaming.kafka.admin import Admin
from streaming.kafka.avro import AvroCodec
from streaming.kafka.client import build_producer, build_reader
from streaming.kafka.connection import KafkaConnection
from streaming.kafka.partitioning import key_partition
from streaming.kafka.reader import RangeReader
from streaming.kafka.schemas import event_schema
from streaming.kafka.topics import raw_topic, validated_topic

_FLUSH_SECONDS = 60.0
_PACE_SECONDS = 0.005


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
        run = run_loop(kafka, raw_topic(source), processor, records)
        reader.close()
        return run


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
