"""The load of the intake benchmark: a source as real ones are, and its raw records."""

import random
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from features.aggregation import Count
from features.definitions import Definitions
from features.entity import Entity
from features.fields import Bool, Field, Float64, Int64, String, TimestampMs
from features.source import EventSource
from features.view import FeatureView
from features.window import SlidingWindow
from streaming.kafka.avro import AvroCodec
from streaming.kafka.partitioning import key_partition
from streaming.kafka.record import OutputRecord
from streaming.kafka.schemas import event_schema
from streaming.kafka.topics import raw_topic

PARTITIONS = 2

_FIRST_MS = 1_700_000_000_000
_STEP_MS = 10
_DISORDER_MS = 30_000
# One event in a hundred comes twice.
_DOUBLED = 0.01


def bench_source(name: str) -> EventSource:
    """Return a source of ten columns."""
    return EventSource(
        name=name,
        fields=(
            Field(name="customer", type=Int64(minimum=0)),
            Field(name="merchant", type=String()),
            Field(name="country", type=String(allowed=("AT", "DE", "CH"))),
            Field(name="cents", type=Int64(minimum=0, maximum=100_000_000)),
            Field(name="risk", type=Float64(), nullable=True),
            Field(name="online", type=Bool()),
            Field(name="due", type=TimestampMs(), nullable=True),
            Field(name="note", type=String(), nullable=True),
        ),
        lateness=timedelta(minutes=1),
    )


def bench_definitions(source: EventSource) -> Definitions:
    """Return one view over the source, whose heartbeats intake makes."""
    view = FeatureView(
        name=f"{source.name}_1h",
        source=source,
        entity=Entity(name="customer", join_keys=("customer",)),
        window=SlidingWindow(size=timedelta(hours=1), slide=timedelta(seconds=10)),
        aggregations=(Count(),),
    )
    return Definitions(views=(view,), services=())


def bench_event(number: int, event_time_ms: int) -> dict[str, Any]:
    """Return the values of an event."""
    return {
        "event_id": f"payment-{number:09}",
        "event_time_ms": event_time_ms,
        "customer": number % 10_000,
        "merchant": f"merchant {number % 977}",
        "country": ("AT", "DE", "CH")[number % 3],
        "cents": number * 7 % 100_000,
        "risk": number % 100 / 100,
        "online": number % 2 == 0,
        "due": None,
        "note": "paid by card at the counter",
    }


def raw_records(source: EventSource, count: int) -> Iterator[OutputRecord]:
    """Yield raw records: out of order within the lateness, some of them twice."""
    rng, codec = random.Random(source.name), AvroCodec(event_schema(source))  # noqa: S311 - a load
    previous = None
    for number in range(count):
        if previous is not None and rng.random() < _DOUBLED:
            yield previous
            continue
        time_ms = _FIRST_MS + _STEP_MS * number - rng.randrange(_DISORDER_MS)
        event = bench_event(number, time_ms)
        key = event["event_id"].encode()
        previous = OutputRecord(
            topic=raw_topic(source),
            partition=key_partition(key, PARTITIONS),
            key=key,
            value=codec.encode_single_object(event),
        )
        yield previous
