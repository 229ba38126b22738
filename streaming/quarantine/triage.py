"""Which letters intake would accept by now."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from features.source import EventSource
from streaming.intake.codec import EventCodec
from streaming.intake.gate import Clock, Outcome, PartitionState
from streaming.intake.raw import RawEvents
from streaming.intake.rules import IntakeRules
from streaming.kafka.quarantine import Letter, LetterId, reason_of, word_of
from streaming.kafka.record import OutputRecord, Record

STAYS_LATE = "the newest event time of a partition never falls, so what is late stays late"

_PASSES = (Outcome.ACCEPTED, Outcome.HEARTBEAT)
_DROPPED = {
    Outcome.DUPLICATE: ("duplicate", "the log, or a letter requeued with it, has it already"),
    Outcome.LATE_HEARTBEAT: ("late", f"a heartbeat; {STAYS_LATE}"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """A letter that cannot be requeued.

    Attributes:
        why: one word to count by.
        detail: what was found and what is allowed.
    """

    id: LetterId
    why: str
    detail: str


class PartitionTriage:
    """Judges the letters of one partition by the rules and the state of its intake.

    Args:
        source: whose events these are.
        raw: decodes them.
        clock: who makes the heartbeats of the log.
        state: of the partition, after everything that is in its validated log.
        now_ms: the wall clock, milliseconds.
    """

    def __init__(
        self,
        source: EventSource,
        raw: RawEvents,
        clock: Clock,
        state: PartitionState,
        now_ms: int,
    ) -> None:
        self._raw = raw
        self._rules = IntakeRules(source, clock)
        self._codec = EventCodec(source)
        self._state = state
        self._now_ms = now_ms
        self.kept: list[Kept] = []

    def read(self, pending: Iterable[Record]) -> None:
        """Judge raw records as intake will that has not read them yet; some twice do no harm."""
        for record in pending:
            self._judged(record)
            self._state.commit()

    def passing(self, letters: Iterable[Letter]) -> list[Letter]:
        """Return the letters to publish, in order; the others are in `kept`.

        They are in the order of event time: in another one, they could make each other late. The
        second judgement finds those that another one here makes a duplicate or a conflict.
        """
        timed = []
        for letter in letters:
            event_time_ms = self._accepted(letter)
            self._state.abort()
            if event_time_ms is not None:
                timed.append((event_time_ms, letter.id, letter))
        return [letter for *_, letter in sorted(timed) if self._accepted(letter) is not None]

    def _accepted(self, letter: Letter) -> int | None:
        """Stage a letter and return its event time; None if it has to be kept."""
        nulls = [name for name, value in letter.original.headers if value is None]
        if nulls:
            detail = f"got the headers {nulls} without a value, which the client cannot write"
            self._keep(letter, "null_header", detail)
            return None
        before = Counter(self._state.counters)
        output = self._judged(letter.original)
        (outcome,) = Counter(self._state.counters) - before
        if output is None:
            self._keep(letter, *_DROPPED[outcome])
            return None
        if outcome in _PASSES:
            return self._codec.from_log(output.value or b"").event_time_ms
        remark = f"; {STAYS_LATE}" if outcome is Outcome.LATE else ""
        self._keep(letter, word_of(output), reason_of(output) + remark)
        return None

    def _judged(self, record: Record) -> OutputRecord | None:
        return self._rules.judge(self._state, record, self._raw.event, record.value, self._now_ms)

    def _keep(self, letter: Letter, why: str, detail: str) -> None:
        self.kept.append(Kept(id=letter.id, why=why, detail=detail))
