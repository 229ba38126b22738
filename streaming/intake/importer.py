"""Imports history into the validated log, in bulk, by the rules of intake."""

import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass

from features.source import EventSource
from streaming.intake.comparison import LogComparison
from streaming.intake.event_order import Event
from streaming.intake.gate import Outcome
from streaming.intake.history_pass import HistoryPass
from streaming.kafka.admin import Admin
from streaming.kafka.connection import KafkaConnection
from streaming.kafka.reader import RangeReader
from streaming.kafka.record import Record
from streaming.kafka.topics import dead_topic, validated_topic
from streaming.kafka.writer import TransactionalWriter
from streaming.settings import Settings

_RECORDS_PER_TRANSACTION = 20_000


@dataclass(frozen=True, kw_only=True)
class ImportReport:
    """What an import came to.

    Attributes:
        accepted: events of the history that are now in the validated log.
        duplicates: events that the history holds twice.
        dead: dead letters.
        found: records, heartbeats included, that an earlier run had written already.
        seconds: wall time.
    """

    accepted: int
    duplicates: int
    dead: int
    found: int
    seconds: float


def import_history(
    settings: Settings,
    source: EventSource,
    slides_ms: Collection[int],
    events: Iterable[Event],
    end_ms: int,
    progress: Callable[[int], None] | None = None,
) -> ImportReport:
    """Write the history of a source, closed by heartbeats that make every view complete at its end.

    An import that was killed is continued by calling it again with the same history: what the log
    holds is compared record by record, and what is missing is written.

    Args:
        settings: where Kafka is, and the number of partitions of the log.
        source: whose history it is; its topics exist.
        slides_ms: slides of the views over the source.
        events: the history, in the order of (event time, event id), all of it before `end_ms`.
        end_ms: end of the history, exclusive, milliseconds.
        progress: called after each transaction with the number of events accepted so far.

    Raises:
        ImportConflictError: the log holds something else than this history.
        EventOrderError: the events are out of order or past the end.
        TopicError: a topic is missing, or has another number of partitions.
    """
    started = time.monotonic()
    log = validated_topic(source)
    history = HistoryPass(
        source=source,
        slides_ms=slides_ms,
        partitions=settings.partitions,
        end_ms=end_ms,
        now_ms=time.time_ns() // 1_000_000,
    )
    with ExitStack() as stack:
        admin = stack.enter_context(Admin(settings.kafka))
        admin.check_log([log], settings.partitions)
        admin.check_partitions([dead_topic(source)], settings.partitions)
        # Its start aborts what a killed import left open, so the ends read next are final.
        writer = stack.enter_context(TransactionalWriter(settings.kafka, f"import.{source.name}"))
        held = {
            partition: _records(stack, settings.kafka, log, partition, end)
            for partition, end in admin.end_offsets(log, "read_committed").items()
        }
        comparison = LogComparison(log, held)
        for record in comparison.missing(history.records(events)):
            writer.write(record)
            if writer.pending >= _RECORDS_PER_TRANSACTION and record.topic == log:
                writer.commit()
                if progress is not None:
                    progress(history.counters[Outcome.ACCEPTED])
        writer.commit()
    counters = history.counters
    if progress is not None:
        progress(counters[Outcome.ACCEPTED])
    return ImportReport(
        accepted=counters[Outcome.ACCEPTED],
        duplicates=counters[Outcome.DUPLICATE],
        dead=counters[Outcome.DEAD],
        found=comparison.found,
        seconds=time.monotonic() - started,
    )


def _records(
    stack: ExitStack, kafka: KafkaConnection, topic: str, partition: int, end: int
) -> Iterator[Record]:
    """Committed records of a partition; each has a reader of its own, as they are read in turn."""
    if not end:
        return iter(())
    reader = stack.enter_context(closing(RangeReader(kafka)))
    return reader.read(topic, partition, 0, end)
