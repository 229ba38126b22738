"""The events of a validated log, decoded."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

from features.source import EVENT_ID, EventSource
from streaming.kafka.admin import Admin
from streaming.kafka.connection import KafkaConnection
from streaming.kafka.reader import RangeReader
from streaming.kafka.rows import RowDecoder
from streaming.kafka.schemas import event_schema
from streaming.kafka.topics import validated_topic


def read_events(kafka: KafkaConnection, source: EventSource) -> Iterator[dict[str, Any]]:
    """Yield every event that is in the log now, partition by partition; no heartbeats."""
    decoder = RowDecoder(event_schema(source))
    topic = validated_topic(source)
    with Admin(kafka) as admin:
        ends = admin.end_offsets(topic, "read_committed")
    with closing(RangeReader(kafka)) as reader:
        for partition, end in ends.items():
            for record in reader.read(topic, partition, 0, end):
                (event,) = decoder.decode([record.value or b""])
                if event[EVENT_ID] is not None:
                    yield event
