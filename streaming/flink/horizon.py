"""How far the rows of a view are final in a log that is read up to fixed end offsets."""

from collections.abc import Iterable, Iterator
from contextlib import closing

from features.errors import SamestreamError
from features.source import EventSource
from streaming.intake.codec import CanonicalEvent, EventCodec
from streaming.intake.tail import recent_events
from streaming.kafka.admin import Admin
from streaming.kafka.connection import KafkaConnection
from streaming.kafka.reader import RangeReader
from streaming.kafka.topics import validated_topic

EndOffsets = dict[str, dict[int, int]]


class HorizonError(SamestreamError, ValueError):
    """A log in which nothing is final yet."""


def capture_end_offsets(kafka: KafkaConnection, sources: Iterable[EventSource]) -> EndOffsets:
    """Return the end of every partition of the sources as it is now, by source name.

    It may lie within a transaction, for whose end a reader waits: Kafka answers a commit before
    every partition shows it, so the last stable offset can miss what is committed already.
    """
    with Admin(kafka) as admin:
        return {
            source.name: admin.end_offsets(validated_topic(source), "read_uncommitted")
            for source in sources
        }


def horizon_ms(kafka: KafkaConnection, source: EventSource, end_offsets: dict[int, int]) -> int:
    """Return the newest window end that no later event can belong to, milliseconds.

    At the end of bounded input every window fires, also those that later events belong to: rows
    after the horizon are not true.

    Args:
        kafka: the cluster.
        source: the source.
        end_offsets: end offset (exclusive) of each partition.

    Raises:
        HorizonError: A partition has no event below its end offset.
    """
    codec = EventCodec(source)
    with closing(RangeReader(kafka)) as reader:
        newest = []
        for partition, end in end_offsets.items():

            def read(start: int, end: int, partition: int = partition) -> Iterator[CanonicalEvent]:
                records = reader.read(validated_topic(source), partition, start, end)
                return (codec.from_log(record.value or b"") for record in records)

            recent = recent_events(read, end, source.lateness_ms)
            if not recent:
                msg = (
                    f"log {validated_topic(source)}, partition {partition}: got no event below "
                    f"offset {end}; nothing is final before each partition has an event or a "
                    "heartbeat"
                )
                raise HorizonError(msg)
            newest.append(max(event.event_time_ms for event in recent))
    return min(newest) - source.lateness_ms
