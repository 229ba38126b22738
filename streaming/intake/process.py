"""The intake of one source: from the raw topic to the validated log."""

import time
from collections.abc import Callable, Collection, Sequence

from features.definitions import Definitions
from features.source import EventSource
from streaming.intake.counters import decode_counters, encode_counters, intake_group
from streaming.intake.deployed import raw_events
from streaming.intake.gate import Clock, PartitionState
from streaming.intake.raw import RawEvents
from streaming.intake.restored import restored_state
from streaming.intake.rules import IntakeRules
from streaming.intake.wall_clock import WallClockHeartbeats
from streaming.kafka.admin import Admin
from streaming.kafka.loop import ExactlyOnceLoop, stop_on_signal
from streaming.kafka.reader import RangeReader
from streaming.kafka.record import OutputRecord, Record
from streaming.kafka.topics import dead_topic, late_topic, raw_topic, validated_topic
from streaming.settings import Settings


class IntakeProcessor:
    """Applies the gate to raw records; partition p goes to partition p.

    Args:
        source: whose events these are.
        raw: decodes them.
        slides_ms: slides of the views over the source.
        clock: who makes the heartbeats of this log.
        admin: reads the ends of logs.
        reader: reads the end of the validated log.
        now_ms: reads the wall clock, milliseconds.
    """

    def __init__(
        self,
        *,
        source: EventSource,
        raw: RawEvents,
        slides_ms: Collection[int],
        clock: Clock,
        admin: Admin,
        reader: RangeReader,
        now_ms: Callable[[], int],
    ) -> None:
        self._source = source
        self._slides_ms = slides_ms
        self._clock = clock
        self._admin = admin
        self._reader = reader
        self._now_ms = now_ms
        self._raw = raw
        self._rules = IntakeRules(source, clock)
        self._states: dict[int, PartitionState] = {}
        self._heartbeats: dict[int, WallClockHeartbeats] = {}

    def assigned(self, committed: dict[int, str | None]) -> None:
        """Restore the state of each partition from the end of its validated log."""
        # The high watermark: a transaction that is still open below it is waited for.
        ends = self._admin.end_offsets(validated_topic(self._source), "read_uncommitted")
        self._states = {
            partition: restored_state(
                self._reader, self._source, partition, ends[partition], decode_counters(metadata)
            )
            for partition, metadata in committed.items()
        }
        if self._clock == "wall":
            self._heartbeats = {p: self._wall_clock(p) for p in self._states}

    def before_transaction(self, batch: Sequence[Record]) -> None:
        """Intake waits for nothing."""

    def process(self, batch: Sequence[Record]) -> list[OutputRecord]:
        now_ms = self._now_ms()
        outputs = (
            self._rules.judge(
                self._states[record.partition], record, self._raw.event, record.value, now_ms
            )
            for record in batch
        )
        return [output for output in outputs if output is not None]

    def tick(self, positions: dict[int, int]) -> list[OutputRecord]:
        outputs = []
        for partition, heartbeats in self._heartbeats.items():
            state = self._states[partition]
            outputs += [
                self._rules.heartbeat(state, partition, instant_ms)
                for instant_ms in heartbeats.due(state, positions[partition])
            ]
        return outputs

    def metadata(self, partition: int) -> str:
        return encode_counters(self._states[partition].counters)

    def committed(self) -> None:
        for state in self._states.values():
            state.commit()

    def aborted(self) -> None:
        for state in self._states.values():
            state.abort()

    def _wall_clock(self, partition: int) -> WallClockHeartbeats:
        topic = raw_topic(self._source)
        return WallClockHeartbeats(
            slides_ms=self._slides_ms,
            lateness_ms=self._source.lateness_ms,
            now_ms=self._now_ms,
            raw_end=lambda: self._admin.end_offsets(topic, "read_uncommitted")[partition],
        )


def _wall_clock_ms() -> int:
    return time.time_ns() // 1_000_000


def run_intake(
    settings: Settings,
    definitions: Definitions,
    source_name: str,
    instance: str = "0",
    now_ms: Callable[[], int] = _wall_clock_ms,
) -> None:
    """Run the intake of one source until SIGTERM.

    Args:
        settings: where Kafka is, and whose clock it is.
        definitions: hold the source.
        source_name: of the source.
        instance: stable name of this instance in the group of the source.
        now_ms: reads the wall clock, milliseconds.
    """
    stop = stop_on_signal()
    source = definitions.source(source_name)
    with Admin(settings.kafka) as admin:
        topics = [raw_topic(source), validated_topic(source)]
        admin.check_log(topics, settings.partitions)
        admin.check_partitions([late_topic(source), dead_topic(source)], settings.partitions)
        reader = RangeReader(settings.kafka)
        processor = IntakeProcessor(
            source=source,
            raw=raw_events(settings, source),
            slides_ms=definitions.slides_ms(source),
            clock=settings.clock,
            admin=admin,
            reader=reader,
            now_ms=now_ms,
        )
        ExactlyOnceLoop(
            kafka=settings.kafka,
            topic=raw_topic(source),
            group=intake_group(source),
            instance=instance,
            processor=processor,
        ).run(stop)
        reader.close()
