"""Whether an event is accepted: a decision about one partition, from what came before it alone."""

import heapq
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from features.source import EventSource
from streaming.intake.codec import CanonicalEvent

Clock = Literal["wall", "replay"]


class Outcome(StrEnum):
    """What became of a raw record."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    LATE = "late"
    DEAD = "dead"
    HEARTBEAT = "heartbeat"
    LATE_HEARTBEAT = "late_heartbeat"


@dataclass(frozen=True, slots=True)
class Accepted:
    """Goes to the validated log."""


@dataclass(frozen=True, slots=True)
class Duplicate:
    """The same event again: dropped and counted."""


@dataclass(frozen=True, slots=True)
class Late:
    """Behind what the partition can still take; a heartbeat is dropped, an event quarantined."""

    detail: str


@dataclass(frozen=True, slots=True)
class Dead:
    """Becomes a dead letter.

    Attributes:
        stage: step of intake that refused it: decode, validate, time or identity.
        reason: one word to count by.
        detail: what was found and what is allowed.
    """

    stage: str
    reason: str
    detail: str


Verdict = Accepted | Duplicate | Late | Dead

# An event time that is as many times the clock is in a smaller unit.
_FINER = 500

_ACCEPTED = Accepted()
_DUPLICATE = Duplicate()


class PartitionState:
    """What intake remembers of one partition; changes are staged until `commit`.

    Args:
        lateness_ms: how far behind the newest event time an event may arrive.
        counters: records of each outcome since the log began.
    """

    def __init__(self, lateness_ms: int, counters: Mapping[Outcome, int] | None = None) -> None:
        self._lateness_ms = lateness_ms
        self._newest_ms: int | None = None
        self._heartbeat_ms: int | None = None
        self._counters = Counter(counters or {})
        self._recent: dict[str, CanonicalEvent] = {}
        self._by_time: list[tuple[int, str]] = []
        self._staged_newest_ms: int | None = None
        self._staged_heartbeat_ms: int | None = None
        self._staged_counters: Counter[Outcome] = Counter()
        self._staged_recent: dict[str, CanonicalEvent] = {}

    @property
    def newest_ms(self) -> int | None:
        """Largest event time accepted so far, heartbeats included; None before the first."""
        return self._staged_newest_ms

    @property
    def heartbeat_ms(self) -> int | None:
        """Event time of the newest heartbeat; None while none is known."""
        return self._staged_heartbeat_ms

    @property
    def counters(self) -> dict[Outcome, int]:
        """Records of each outcome since the log began, staged ones included."""
        return dict(self._counters + self._staged_counters)

    @property
    def horizon_ms(self) -> int | None:
        """Event time that is late, as is everything before it; None before the first event."""
        newest_ms = self._staged_newest_ms
        return None if newest_ms is None else newest_ms - self._lateness_ms

    def recent(self, event_id: str) -> CanonicalEvent | None:
        """Return the accepted event of that id, if it is not late by now."""
        event = self._staged_recent.get(event_id) or self._recent.get(event_id)
        if event is None:
            return None
        horizon_ms = self.horizon_ms
        return None if horizon_ms is None or event.event_time_ms <= horizon_ms else event

    def accept(self, event: CanonicalEvent) -> None:
        """Stage an accepted event or heartbeat."""
        time_ms = event.event_time_ms
        self._staged_newest_ms = max(time_ms, self._staged_newest_ms or 0)
        if event.event_id is None:
            self._staged_heartbeat_ms = max(time_ms, self._staged_heartbeat_ms or 0)
        else:
            self._staged_recent[event.event_id] = event

    def count(self, outcome: Outcome) -> None:
        """Stage one more record of an outcome."""
        self._staged_counters[outcome] += 1

    def commit(self) -> None:
        """Make what is staged permanent, and forget what has become late."""
        self._newest_ms = self._staged_newest_ms
        self._heartbeat_ms = self._staged_heartbeat_ms
        self._counters += self._staged_counters
        self._recent |= self._staged_recent
        for event_id, event in self._staged_recent.items():
            heapq.heappush(self._by_time, (event.event_time_ms, event_id))
        self._forget_late()
        self.abort()

    def abort(self) -> None:
        """Discard what is staged."""
        self._staged_newest_ms = self._newest_ms
        self._staged_heartbeat_ms = self._heartbeat_ms
        self._staged_counters = Counter()
        self._staged_recent = {}

    def _forget_late(self) -> None:
        horizon_ms = self.horizon_ms
        while horizon_ms is not None and self._by_time and self._by_time[0][0] <= horizon_ms:
            time_ms, event_id = heapq.heappop(self._by_time)
            # An id that is used again after its event became late stays.
            if self._recent[event_id].event_time_ms == time_ms:
                del self._recent[event_id]


class Gate:
    """The rules of one source.

    Args:
        source: declares the lateness and the allowed clock skew.
        clock: who makes the heartbeats: intake ('wall') or the replayer ('replay').
    """

    def __init__(self, source: EventSource, clock: Clock) -> None:
        self._lateness_ms = source.lateness_ms
        self._skew_ms = source.max_clock_skew_ms
        self._clock = clock

    def decide(self, state: PartitionState, event: CanonicalEvent, now_ms: int) -> Verdict:
        """Judge a valid event; `now_ms` is the wall clock, also when history is replayed."""
        time_ms = event.event_time_ms
        if event.event_id is None and self._clock == "wall":
            return Dead(
                "validate",
                "heartbeat",
                "got a heartbeat; allowed are events: on this log intake makes the heartbeats",
            )
        if time_ms > now_ms + self._skew_ms:
            finer = "; it looks like microseconds" if time_ms > _FINER * now_ms else ""
            return Dead(
                "time",
                "too_early",
                f"got event time {time_ms} at {now_ms}; allowed is up to {self._skew_ms} ms "
                f"later{finer}",
            )
        horizon_ms = state.horizon_ms
        if horizon_ms is not None and time_ms <= horizon_ms:
            return Late(
                f"got event time {time_ms}; allowed is later than {horizon_ms}, the newest "
                f"event time minus {self._lateness_ms} ms"
            )
        known = None if event.event_id is None else state.recent(event.event_id)
        if known is None:
            return _ACCEPTED
        if known.content == event.content:
            return _DUPLICATE
        return Dead(
            "identity",
            "conflicting",
            f"got event id {event.event_id!r} again with other time or content",
        )
