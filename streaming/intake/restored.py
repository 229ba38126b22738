"""What intake knows of a partition, restored from the end of its validated log."""

from collections.abc import Iterator, Mapping

from features.source import EventSource
from streaming.intake.codec import CanonicalEvent, EventCodec
from streaming.intake.gate import Outcome, PartitionState
from streaming.intake.tail import recent_events
from streaming.kafka.reader import RangeReader
from streaming.kafka.topics import validated_topic


def restored_state(
    reader: RangeReader,
    source: EventSource,
    partition: int,
    end: int,
    counters: Mapping[Outcome, int] | None = None,
) -> PartitionState:
    """Return the state after everything that is in the log.

    Args:
        reader: reads the log.
        source: whose log it is.
        partition: of the log.
        end: its high watermark: a transaction that is still open below it is waited for.
        counters: records of each outcome since the log began.
    """
    codec = EventCodec(source)

    def read(start: int, stop: int) -> Iterator[CanonicalEvent]:
        records = reader.read(validated_topic(source), partition, start, stop)
        return (codec.from_log(record.value or b"") for record in records)

    state = PartitionState(source.lateness_ms, counters)
    for event in recent_events(read, end, source.lateness_ms):
        state.accept(event)
    state.commit()
    return state
