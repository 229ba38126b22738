"""The validated log of history as one file, so that it can be read without a broker."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from features.source import EventSource
from streaming.intake.codec import EventCodec
from streaming.intake.gate import Outcome
from streaming.intake.history_files import HistoryFiles
from streaming.intake.history_pass import HistoryPass
from streaming.kafka.container import ContainerWriter
from streaming.kafka.quarantine import reason_of
from streaming.kafka.schemas import event_schema
from streaming.kafka.topics import validated_topic

_REASONS = 3


@dataclass(frozen=True, kw_only=True)
class HistoryRequest:
    """What to read and where to write it.

    Attributes:
        source: whose history it is.
        patterns: globs or directories of its files.
        slides_ms: slides of the views over the source.
        partitions: number of partitions of the log that stands for.
        end_ms: end of the history, exclusive, milliseconds; None if more may belong to it.
        memory_mb: what sorting may take before it spills to disk.
        spill_dir: where it spills to.
        log: the file to write.
    """

    source: EventSource
    patterns: Sequence[str]
    slides_ms: Sequence[int]
    partitions: int
    end_ms: int | None
    memory_mb: int
    spill_dir: Path
    log: Path

    def files(self) -> HistoryFiles:
        """Open the files.

        Raises:
            HistoryFileError: There are none, or they lack a column.
        """
        return HistoryFiles(
            self.source, self.patterns, memory_mb=self.memory_mb, spill_dir=self.spill_dir
        )


@dataclass(frozen=True, kw_only=True)
class HistoryLog:
    """What became of the events of one source.

    Attributes:
        read: rows before the end of the history.
        accepted: events that are in the log.
        duplicates: events that the history holds twice.
        refused: events that intake would not accept.
        reasons: why, for the first few of them.
        newest_ms: newest event time of the log, heartbeats included, milliseconds; None if the log
            is empty.
    """

    read: int
    accepted: int
    duplicates: int
    refused: int
    reasons: tuple[str, ...]
    newest_ms: int | None


def write_history_log(request: HistoryRequest) -> HistoryLog:
    """Sort the files, apply the rules of intake and write what it would write, in one file.

    Raises:
        HistoryFileError: The files cannot be read.
    """
    source, log = request.source, validated_topic(request.source)
    history = HistoryPass(
        source=source,
        slides_ms=request.slides_ms,
        partitions=request.partitions,
        end_ms=request.end_ms,
        now_ms=time.time_ns() // 1_000_000,
    )
    newest: bytes | None = None
    reasons: list[str] = []
    with request.files() as files, request.log.open("wb") as file:
        writer = ContainerWriter(file, event_schema(source))
        for record in history.records(files.events(request.end_ms)):
            if record.topic == log and record.value is not None:
                writer.append(record.value)
                newest = record.value
            elif len(reasons) < _REASONS:
                reasons.append(f"{_shown(record.key)}: {reason_of(record)}")
        writer.flush()
    counters = history.counters
    accepted, duplicates = counters[Outcome.ACCEPTED], counters[Outcome.DUPLICATE]
    refused = counters[Outcome.DEAD] + counters[Outcome.LATE]
    return HistoryLog(
        read=accepted + duplicates + refused,
        accepted=accepted,
        duplicates=duplicates,
        refused=refused,
        reasons=tuple(reasons),
        newest_ms=None if newest is None else EventCodec(source).from_log(newest).event_time_ms,
    )


def _shown(key: bytes | None) -> str:
    return "an event without id" if key is None else f"event {key.decode()!r}"
