"""The gate: rules 1 to 3 of the time contract, and staged changes.

newest - lateness            newest            wall clock + skew
------|------------------------|------------------------|-------->  event time
 late | accepted               | accepted               | too early
"""

from collections.abc import Iterable
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.fields import Field, String
from features.source import EventSource
from streaming.intake.codec import CanonicalEvent
from streaming.intake.gate import (
    Accepted,
    Clock,
    Dead,
    Duplicate,
    Gate,
    Late,
    Outcome,
    PartitionState,
    Verdict,
)
from streaming.intake.tail import recent_events

LATENESS = 100
SKEW = 50
NOW = 10_000
SOURCE = EventSource(
    name="taps",
    fields=(Field(name="card", type=String()),),
    lateness=timedelta(milliseconds=LATENESS),
    max_clock_skew=timedelta(milliseconds=SKEW),
)


def event(time_ms: int, event_id: str | None = "x", content: str = "") -> CanonicalEvent:
    return CanonicalEvent(
        event_id=event_id,
        event_time_ms=time_ms,
        content=f"{event_id}|{time_ms}|{content}".encode(),
    )


def state_after(*events: CanonicalEvent) -> PartitionState:
    state = PartitionState(LATENESS)
    for one in events:
        state.accept(one)
    state.commit()
    return state


def word(verdict: Verdict) -> str:
    return verdict.reason if isinstance(verdict, Dead) else type(verdict).__name__.lower()


def decide(state: PartitionState, one: CanonicalEvent, clock: Clock = "replay") -> str:
    return word(Gate(SOURCE, clock).decide(state, one, NOW))


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (event(901), "accepted"),
        (event(900), "late"),
        (event(0), "late"),
        (event(1_000), "accepted"),
        (event(5_000), "accepted"),
        (event(NOW + SKEW), "accepted"),
        (event(NOW + SKEW + 1), "too_early"),
        (event(901, None), "accepted"),
        (event(900, None), "late"),
        (event(NOW + SKEW + 1, None), "too_early"),
        (event(950, "seen"), "duplicate"),
        (event(950, "seen", "other"), "conflicting"),
        (event(951, "seen"), "conflicting"),
        (event(1_500, "seen"), "conflicting"),
        (event(900, "seen"), "late"),
    ],
)
def test_decisions(one: CanonicalEvent, expected: str) -> None:
    state = state_after(event(950, "seen"), event(1_000, None))
    assert decide(state, one) == expected


def test_the_first_event_is_never_late() -> None:
    assert decide(PartitionState(LATENESS), event(0)) == "accepted"


def test_a_heartbeat_moves_the_newest_time() -> None:
    state = state_after(event(500))
    assert decide(state, event(450, "y")) == "accepted"
    state.accept(event(550, None))
    assert decide(state, event(450, "y")) == "late"
    assert (state.newest_ms, state.heartbeat_ms) == (550, 550)


def test_where_intake_makes_the_heartbeats_a_producer_may_not() -> None:
    assert decide(state_after(event(500)), event(550, None), clock="wall") == "heartbeat"
    assert decide(state_after(event(500)), event(550), clock="wall") == "conflicting"


def test_an_id_is_forgotten_when_its_event_has_become_late() -> None:
    state = state_after(event(500, "seen"))
    state.accept(event(599, "new"))
    assert decide(state, event(580, "seen")) == "conflicting"
    state.accept(event(600, "newer"))
    assert decide(state, event(580, "seen")) == "accepted"
    state.accept(event(580, "seen"))
    state.commit()
    assert decide(state, event(580, "seen")) == "duplicate"
    state.accept(event(650, "newest"))
    state.commit()
    assert decide(state, event(580, "seen")) == "duplicate"


def test_what_is_staged_counts_at_once_and_is_gone_after_an_abort() -> None:
    state = state_after(event(500, "seen"))
    state.count(Outcome.ACCEPTED)
    state.commit()
    state.accept(event(590, "staged"))
    state.accept(event(700, None))
    state.count(Outcome.ACCEPTED)
    state.count(Outcome.HEARTBEAT)
    assert decide(state, event(550, "y")) == "late"
    assert state.counters == {Outcome.ACCEPTED: 2, Outcome.HEARTBEAT: 1}

    state.abort()
    assert decide(state, event(550, "y")) == "accepted"
    assert decide(state, event(590, "staged")) == "accepted"
    assert decide(state, event(500, "seen")) == "duplicate"
    assert state.counters == {Outcome.ACCEPTED: 1}
    assert (state.newest_ms, state.heartbeat_ms) == (500, None)


events = st.builds(
    event,
    st.integers(0, 1_000),
    st.sampled_from(["a", "b", "c", "d", None]),
    st.sampled_from(["", "other"]),
)


def slow_verdict(log: list[CanonicalEvent], one: CanonicalEvent) -> str:
    """The rules again, from the whole log."""
    newest = max((earlier.event_time_ms for earlier in log), default=None)
    if newest is not None and one.event_time_ms <= newest - LATENESS:
        return "late"
    for earlier in reversed(log):
        if earlier.event_id == one.event_id is not None and (
            newest is None or earlier.event_time_ms > newest - LATENESS
        ):
            return "duplicate" if earlier == one else "conflicting"
    return "accepted"


@given(st.lists(st.tuples(events, st.sampled_from(["stay", "commit", "restart"])), max_size=60))
def test_it_decides_as_the_whole_log_would_also_after_restarts(
    steps: list[tuple[CanonicalEvent, str]],
) -> None:
    log: list[CanonicalEvent] = []
    state = PartitionState(LATENESS)
    for one, then in steps:
        verdict = decide(state, one)
        assert verdict == slow_verdict(log, one)
        if verdict == "accepted":
            log.append(one)
            state.accept(one)
        if then != "stay":
            state.commit()
        if then == "restart":
            state = state_after(
                *recent_events(lambda start, end: log[start:end], len(log), LATENESS)
            )


def test_the_tail_reaches_two_latenesses_back_and_no_further() -> None:
    log = [event(10 * n, str(n)) for n in range(5_000)]
    ranges = []

    def read(start: int, end: int) -> Iterable[CanonicalEvent]:
        ranges.append((start, end))
        return log[start:end]

    assert len(recent_events(read, len(log), LATENESS)) == 1_000
    assert recent_events(read, len(log), 15_000)[0].event_id == "1000"
    assert recent_events(read, len(log), 30_000) == log
    assert recent_events(read, 0, LATENESS) == []
    assert ranges[0] == (4_000, 5_000)


def test_verdicts_say_what_was_allowed() -> None:
    gate = Gate(SOURCE, "replay")
    state = state_after(event(1_000))
    late = gate.decide(state, event(900), NOW)
    assert isinstance(late, Late)
    assert late.detail.startswith("got event time 900; allowed is later than 900")
    assert isinstance(gate.decide(state, event(1_000), NOW), Duplicate)
    assert isinstance(gate.decide(state, event(1_001, "z"), NOW), Accepted)
