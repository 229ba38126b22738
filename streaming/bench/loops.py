"""Exactly-once loops that measure themselves."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from streaming.kafka.connection import KafkaConnection
from streaming.kafka.loop import ExactlyOnceLoop, Processor
from streaming.kafka.record import OutputRecord, Record


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

    @property
    def per_second(self) -> float:
        """Records per second of time that passed."""
        return self.records / self.wall_seconds

    @property
    def cpu_microseconds(self) -> float:
        """Microseconds of computing for each record."""
        return self.cpu_seconds * 1_000_000 / self.records


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
        if self._began is None:
            self._began = time.perf_counter(), time.process_time()
        self._processor.before_transaction(batch)

    def process(self, batch: Sequence[Record]) -> list[OutputRecord]:
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


def run_copy(kafka: KafkaConnection, topic: str, copied: str, records: int, name: str = "") -> Run:
    """Copy the records of a topic, exactly once."""
    return run_loop(kafka, topic, _Copy(copied), records, name=name)


def run_loop(
    kafka: KafkaConnection,
    topic: str,
    processor: Processor,
    records: int,
    *,
    batch_records: int = 2_000,
    name: str = "",
    stop: threading.Event | None = None,
) -> Run:
    """Process that many records of a topic.

    Args:
        kafka: the cluster.
        topic: whose records are processed, from its start.
        processor: what is done with them.
        records: after how many the loop ends.
        batch_records: how many a transaction takes at most.
        name: tells runs on one topic apart, beside the class of the processor.
        stop: what the processor itself looks at, if it does.
    """
    stop = stop or threading.Event()
    timed = _Timed(processor, records, stop)
    ExactlyOnceLoop(
        kafka=kafka,
        topic=topic,
        group=f"bench.{type(processor).__name__}.{name}.{topic}",
        instance="0",
        processor=timed,
        batch_records=batch_records,
    ).run(stop)
    if timed.run is None:
        msg = "the loop ended before its records were done"
        raise RuntimeError(msg)
    return timed.run
