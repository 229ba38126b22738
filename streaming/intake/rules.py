"""The rules of intake for one raw record: what is written for it, and what is remembered."""

from collections.abc import Callable
from typing import TypeVar

from features.source import EventSource
from features.validation import InvalidEventError
from streaming.intake.codec import CanonicalEvent, EventCodec
from streaming.intake.gate import Clock, Dead, Duplicate, Gate, Late, Outcome, PartitionState
from streaming.kafka.framing import UndecodableError
from streaming.kafka.quarantine import quarantined
from streaming.kafka.record import OutputRecord, Record
from streaming.kafka.topics import dead_topic, late_topic, validated_topic

_T = TypeVar("_T")


class IntakeRules:
    """The same for events that arrive and for history that is imported.

    Args:
        source: whose events these are.
        clock: who makes the heartbeats of this log.
    """

    def __init__(self, source: EventSource, clock: Clock) -> None:
        self._log, self._late_topic, self._dead_topic = (
            named(source) for named in (validated_topic, late_topic, dead_topic)
        )
        self._codec = EventCodec(source)
        self._gate = Gate(source, clock)

    def judge(
        self,
        state: PartitionState,
        record: Record,
        read: Callable[[_T], CanonicalEvent],
        content: _T,
        now_ms: int,
    ) -> OutputRecord | None:
        """Stage a record in the state of its partition; return what to write, if anything.

        Args:
            state: of the partition.
            record: the raw record.
            read: makes the valid event of the content, as `RawEvents.event` does of the value of
                the record and `EventCodec.from_values` of values that are known already.
            content: what is read.
            now_ms: wall clock, milliseconds.
        """
        try:
            event = read(content)
        except UndecodableError as error:
            return self._dead(state, record, Dead("decode", error.reason, str(error)))
        except InvalidEventError as error:
            return self._dead(state, record, Dead("validate", error.reason, str(error)))
        if record.key is None and event.event_id is not None:
            detail = "got a null key; allowed is a key, so that duplicates meet in one partition"
            return self._dead(state, record, Dead("validate", "null_key", detail))
        verdict = self._gate.decide(state, event, now_ms)
        if isinstance(verdict, Dead):
            return self._dead(state, record, verdict)
        if isinstance(verdict, Duplicate):
            state.count(Outcome.DUPLICATE)
            return None
        is_heartbeat = event.event_id is None
        if isinstance(verdict, Late):
            state.count(Outcome.LATE_HEARTBEAT if is_heartbeat else Outcome.LATE)
            return None if is_heartbeat else self._late(record, verdict)
        state.accept(event)
        state.count(Outcome.HEARTBEAT if is_heartbeat else Outcome.ACCEPTED)
        return self._validated(record.partition, record.key, event)

    def heartbeat(self, state: PartitionState, partition: int, instant_ms: int) -> OutputRecord:
        """Stage a heartbeat that intake itself makes, and return it."""
        heartbeat = self._codec.heartbeat(instant_ms)
        state.accept(heartbeat)
        state.count(Outcome.HEARTBEAT)
        return self._validated(partition, None, heartbeat)

    def _validated(self, partition: int, key: bytes | None, event: CanonicalEvent) -> OutputRecord:
        return OutputRecord(self._log, partition, key, event.content)

    def _late(self, record: Record, late: Late) -> OutputRecord:
        return quarantined(
            record, self._late_topic, stage="time", reason="late", detail=late.detail
        )

    def _dead(self, state: PartitionState, record: Record, dead: Dead) -> OutputRecord:
        state.count(Outcome.DEAD)
        return quarantined(
            record, self._dead_topic, stage=dead.stage, reason=dead.reason, detail=dead.detail
        )
