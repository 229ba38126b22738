"""Publishing dead letters again: those that intake would accept by now.

A requeued record names its letter in a header. The raw topic keeps it for ever, so what an earlier
run has published, also one that died, is read from there and not published a second time.
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from itertools import groupby

from features.source import EventSource
from streaming.intake.counters import intake_group
from streaming.intake.deployed import raw_events
from streaming.intake.restored import restored_state
from streaming.kafka.admin import Admin
from streaming.kafka.quarantine import Letter, LetterId
from streaming.kafka.reader import RangeReader
from streaming.kafka.record import OutputRecord
from streaming.kafka.topics import raw_topic, validated_topic
from streaming.kafka.writer import TransactionalWriter
from streaming.quarantine.letters import LetterLog
from streaming.quarantine.selection import Selection
from streaming.quarantine.triage import Kept, PartitionTriage
from streaming.settings import Settings

REQUEUED_FROM = "samestream.requeued-from"

_LETTERS_PER_TRANSACTION = 1_000


@dataclass(kw_only=True)
class RequeueReport:
    """What became of the letters that were asked for.

    Attributes:
        requeued: published now, or what would be by a dry run.
        earlier: published by an earlier run.
        kept: cannot be requeued.
    """

    requeued: list[LetterId] = field(default_factory=list)
    earlier: list[LetterId] = field(default_factory=list)
    kept: list[Kept] = field(default_factory=list)


def requeue(
    settings: Settings, source: EventSource, wanted: list[str] | Selection, *, dry_run: bool
) -> RequeueReport:
    """Publish letters to the raw topic, where intake judges them again.

    The letters that are published are held in memory.

    Args:
        settings: where Kafka and the schemas are, and the clock of the log.
        source: whose dead letters.
        wanted: ids, or what the letters have to be like.
        dry_run: publish nothing.

    Raises:
        LetterNotFoundError: an id that no letter has; nothing was published.
        WriteError: the broker did not confirm; calling it again continues.
    """
    kafka, raw = settings.kafka, raw_events(settings, source)
    report = RequeueReport()
    passing: list[Letter] = []
    with ExitStack() as stack:
        writer = None
        if not dry_run:
            # Its start ends what a killed run left open, so the raw topic that is read is final.
            writer = stack.enter_context(TransactionalWriter(kafka, f"requeue.{source.name}"))
        log = stack.enter_context(LetterLog(kafka, source, "dead"))
        admin = stack.enter_context(Admin(kafka))
        reader = stack.enter_context(closing(RangeReader(kafka)))
        # In this order: what intake does meanwhile is then seen twice, and nothing is missed.
        done = admin.committed(intake_group(source), raw_topic(source))
        log_ends = admin.end_offsets(validated_topic(source), "read_uncommitted")
        raw_ends = admin.end_offsets(raw_topic(source), "read_uncommitted")
        now_ms = time.time_ns() // 1_000_000
        for partition, letters in _by_partition(log, wanted):
            state = restored_state(reader, source, partition, log_ends[partition])
            triage = PartitionTriage(source, raw, settings.clock, state, now_ms)
            start = done[partition].offset if partition in done else 0
            triage.read(reader.read(raw_topic(source), partition, start, raw_ends[partition]))
            open_letters = _open(reader, source, raw_ends[partition], letters, report)
            passing += triage.passing(open_letters)
            report.kept += triage.kept
        for number, letter in enumerate(passing, start=1):
            report.requeued.append(letter.id)
            if writer is not None:
                writer.write(_requeued(letter))
                if number % _LETTERS_PER_TRANSACTION == 0 or number == len(passing):
                    writer.commit()
    return report


def _by_partition(
    log: LetterLog, wanted: list[str] | Selection
) -> Iterator[tuple[int, Iterator[Letter]]]:
    """Letters by partition, oldest first."""
    if isinstance(wanted, Selection):
        for partition in wanted.partitions(log):
            yield partition, filter(wanted.matches, log.read(partition))
    else:
        found = {letter.id: letter for letter in map(log.letter, wanted)}
        letters = [found[letter_id] for letter_id in sorted(found)]
        yield from groupby(letters, key=lambda letter: letter.id.partition)


def _open(
    reader: RangeReader,
    source: EventSource,
    raw_end: int,
    letters: Iterator[Letter],
    report: RequeueReport,
) -> Iterator[Letter]:
    """Yield the letters of one partition that came from the raw topic and are not back in it."""
    topic = raw_topic(source)
    published: set[str] | None = None
    for letter in letters:
        original = letter.original
        if original.topic != topic:
            detail = f"it is of {original.topic}, and never was in {topic}: import it corrected"
            report.kept.append(Kept(id=letter.id, why="imported", detail=detail))
            continue
        if published is None:
            # Letters are in the order of their originals, and are requeued after them.
            records = reader.read(topic, original.partition, original.offset, raw_end)
            published = {
                (content or b"").decode(errors="replace")
                for record in records
                for name, content in record.headers
                if name == REQUEUED_FROM
            }
        if str(letter.id) in published:
            report.earlier.append(letter.id)
        else:
            yield letter


def _requeued(letter: Letter) -> OutputRecord:
    original = letter.original
    kept = ((name, content or b"") for name, content in original.headers if name != REQUEUED_FROM)
    return OutputRecord(
        topic=original.topic,
        partition=original.partition,
        key=original.key,
        value=original.value,
        headers=(*kept, (REQUEUED_FROM, str(letter.id).encode())),
        timestamp_ms=original.timestamp,
    )
