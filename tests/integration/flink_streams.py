"""Small random streams of a source with every column type, and views over it."""

import random
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from features.aggregation import Count, Last, Mean, Sum
from features.definitions import Definitions
from features.entity import Entity
from features.fields import Bool, Field, Int64, String, TimestampMs
from features.source import EventSource
from features.view import FeatureView
from features.window import SlidingWindow
from streaming.kafka.avro import AvroCodec
from streaming.kafka.client import build_producer
from streaming.kafka.connection import KafkaConnection
from streaming.kafka.schemas import event_schema
from streaming.kafka.topics import validated_topic

PARTITIONS = 2
START_MS = 1_700_000_000_000
SLIDE_MS = 20_000
LATENESS_MS = 7_000

Event = dict[str, Any]


def definitions(name: str) -> Definitions:
    """Views over a source of that name; its own names are SQL keywords on purpose."""
    source = EventSource(
        name=name,
        fields=(
            Field(name="key", type=String(), nullable=True),
            Field(name="order", type=Int64(), nullable=True),
            Field(name="value", type=Int64(minimum=-5_000, maximum=5_000), nullable=True),
            Field(name="flag", type=Bool(), nullable=True),
            Field(name="text", type=String(), nullable=True),
            Field(name="at", type=TimestampMs(), nullable=True),
        ),
        lateness=timedelta(milliseconds=LATENESS_MS),
        max_clock_skew=timedelta(seconds=5),
    )
    one = Entity(name="one", join_keys=("key",))
    two = Entity(name="two", join_keys=("order", "key"))
    slide = timedelta(milliseconds=SLIDE_MS)

    def view(suffix: str, entity: Entity, slides: int, *aggregations: Any) -> FeatureView:
        return FeatureView(
            name=f"{name}_{suffix}",
            source=source,
            entity=entity,
            window=SlidingWindow(size=slides * slide, slide=slide),
            aggregations=aggregations,
        )

    return Definitions(
        views=(
            view("counts", one, 3, Count(), Sum("value"), Mean("value"), Sum("flag"), Mean("flag")),
            view(
                "lasts",
                two,
                6,
                *(Last(column) for column in ("value", "flag", "text", "at", "event_time")),
            ),
            view("tumbling", one, 1, Mean("value"), Last("text")),
        ),
        services=(),
    )


def random_events(
    partition: int, count: int, *, seed: int, start_ms: int = START_MS
) -> Iterator[Event]:
    """Accepted events of one partition in log order: nulls, ties, disorder, long gaps.

    An event may be older than the newest one by less than the lateness; the first is at the start.
    """
    rng = random.Random(f"{seed}-{partition}")
    newest = start_ms
    for number in range(count):
        step = rng.choice([0, 0, 1, 900, 4_000, rng.randrange(SLIDE_MS)])
        if rng.random() < 0.02:
            step = 8 * SLIDE_MS
        behind = rng.choice([0, 0, 0, 1, rng.randrange(LATENESS_MS)])
        time_ms = max(start_ms, newest + step - behind) if number else start_ms
        newest = max(newest, time_ms)
        if rng.random() < 0.15:
            yield {"event_time_ms": time_ms}
            continue
        # Ids of one another's prefix, so that ties are broken by more than the first difference.
        yield {
            "event_id": rng.choice(["a", "aa", "b", "ä"]) * rng.randrange(1, 3) + f"{start_ms}"
            f"-{partition}-{number}",
            "event_time_ms": time_ms,
            "key": rng.choice(["x", "y", "z", "", None]),
            "order": rng.choice([1, 2, None]),
            "value": rng.choice([None, 0, rng.randrange(-5_000, 5_001)]),
            "flag": rng.choice([None, True, False]),
            "text": rng.choice([None, "", "Zürich", "a\x01b", "0", "🚀"]),
            "at": rng.choice([None, time_ms - 1]),
        }


def heartbeats(start_ms: int, end_ms: int) -> list[Event]:
    """One heartbeat in each slide of [start, end), and one at the end."""
    return [{"event_time_ms": time_ms} for time_ms in (*range(start_ms, end_ms, SLIDE_MS), end_ms)]


def write_log(kafka: KafkaConnection, source: EventSource, partition: int, events: Any) -> None:
    """Append accepted events to a partition of the validated log."""
    codec = AvroCodec(event_schema(source))
    write_bytes(kafka, source, partition, [codec.encode(event) for event in events])


def write_bytes(
    kafka: KafkaConnection, source: EventSource, partition: int, values: list[bytes]
) -> None:
    """Append records to a partition of the validated log, in one transaction."""
    topic = validated_topic(source)
    producer = build_producer(kafka, f"test-{topic}-{partition}")
    producer.init_transactions()
    producer.begin_transaction()
    sent = [producer.send(topic, value, partition=partition) for value in values]
    producer.flush()
    for future in sent:
        future.get()
    producer.commit_transaction()
    producer.close()
