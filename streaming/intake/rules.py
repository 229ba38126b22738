"""The rules of intake for one raw record: what is written for it, and what is remembered."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from features.source import EventSource
from streaming.intake.codec import CanonicalEvent, EventCodec
from streaming.intake.gate import Clock, Dead, Duplicate, Gate, Late, Outcome, PartitionState
from streaming.intake.validation import InvalidEventError
from streaming.kafka.avro import UndecodableError
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
        self._source = source
        self._codec = EventCodec(source)
        self._gate = Gate(source, clock)

    def judge(self, state: PartitionState, record: Record, now_ms: int) -> OutputRecord | None:
        """Stage a record in the state of its partition; return what to write, if anything."""
        if record.value is None:
            return self._dead(state, record, Dead("decode", "undecodable", "got a null value"))
        return self._judge(state, record, self._codec.from_raw, record.value, now_ms)

    def judge_values(
        self, state: PartitionState, record: Record, values: Mapping[str, Any], now_ms: int
    ) -> OutputRecord | None:
        """Do the same for a record whose values are known without decoding it."""
        return self._judge(state, record, self._codec.from_values, values, now_ms)

    def _judge(
        self,
        state: PartitionState,
        record: Record,
        read: Callable[[_T], CanonicalEvent],
        content: _T,
        now_ms: int,
    ) -> OutputRecord | None:
        try:
            event = read(content)
        except UndecodableError as error:
            return self._dead(state, record, Dead("decode", "undecodable", str(error)))
        except InvalidEventError as error:
            return self._dead(state, record, Dead("validate", "invalid", str(error)))
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
        return OutputRecord(validated_topic(self._source), partition, key, event.content)

    def _late(self, record: Record, late: Late) -> OutputRecord:
        topic = late_topic(self._source)
        return quarantined(record, topic, stage="time", reason="late", detail=late.detail)

    def _dead(self, state: PartitionState, record: Record, dead: Dead) -> OutputRecord:
        state.count(Outcome.DEAD)
        topic = dead_topic(self._source)
        return quarantined(record, topic, stage=dead.stage, reason=dead.reason, detail=dead.detail)
