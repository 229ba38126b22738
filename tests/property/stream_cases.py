"""Random streams of raw events, and which of them are accepted."""

import decimal
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from definition_cases import FLOATS, INTS, PRECISE, PRICES, TEXTS

from features.source import EventSource
from streaming.intake.codec import EventCodec
from streaming.intake.gate import PartitionState
from streaming.intake.heartbeats import closing_heartbeats
from streaming.intake.rules import IntakeRules
from streaming.kafka.topics import validated_topic

Event = dict[str, Any]

# The hours in which New York's clocks change, and an ordinary one.
STARTS_MS = (1_362_898_800_000, 1_383_458_400_000, 1_700_000_000_000)


@dataclass(frozen=True, kw_only=True)
class StreamCase:
    """What a log of several streams is drawn from.

    Attributes:
        seed: of everything random that follows; fewer events are a beginning of more.
        streams: told apart by the column `stream`.
        events: raw events of each partition of a source.
        partitions: of each source.
        start_ms: event time of the first event.
        keys: distinct keys; few are dense, many sparse.
        nulls: share of nulls in nullable columns.
    """

    seed: int
    streams: int
    events: int
    partitions: int
    start_ms: int
    keys: int
    nulls: float


@dataclass(frozen=True, kw_only=True)
class Log:
    """The validated log of one source, and what stands in it.

    Attributes:
        records: key and value of each record, by partition.
        accepted: the events by the rule as the design states it, in any order.
        newest_ms: newest event time over all partitions.
        horizon_ms: newest window end that no later event can belong to.
    """

    records: Mapping[int, list[tuple[bytes | None, bytes]]]
    accepted: list[Event]
    newest_ms: int
    horizon_ms: int


def make_log(
    source: EventSource, case: StreamCase, slides_ms: tuple[int, ...], *, closed: bool = False
) -> Log:
    """Send random raw events through the rules of intake, and through the rule written plainly.

    Args:
        source: whose log it is.
        case: what it is drawn from.
        slides_ms: of the views over the source.
        closed: whether it ends as imported history does, with every view complete; otherwise that
            is left to chance.
    """
    slide_ms = min(slides_ms)
    rules = IntakeRules(source, "replay")
    records: dict[int, list[tuple[bytes | None, bytes]]] = {}
    accepted: list[Event] = []
    states, ends = [], []
    for partition in range(case.partitions):
        state = PartitionState(source.lateness_ms)
        states.append(state)
        first = rules.heartbeat(state, partition, case.start_ms)
        raw = _raw_events(source, case, partition, slide_ms)
        judged = (_judged(source, rules, state, partition, event) for event in raw)
        records[partition] = [(None, first.value or b""), *filter(None, judged)]
        accepted += _accepted(source, case.start_ms, raw)
        ends.append(state.newest_ms or 0)
    rng = random.Random(f"{case.seed}-{source.name}-end")
    end_ms = max(ends) + slide_ms * rng.randrange(1, 200)
    if closed or rng.random() < 0.7:
        for instant_ms in closing_heartbeats(slides_ms, source.lateness_ms, end_ms):
            for partition, state in enumerate(states):
                beat = rules.heartbeat(state, partition, max(instant_ms, state.newest_ms or 0))
                records[partition].append((None, beat.value or b""))
    newest = [state.newest_ms or 0 for state in states]
    return Log(
        records=records,
        accepted=accepted,
        newest_ms=max(newest),
        horizon_ms=min(newest) - source.lateness_ms,
    )


@dataclass(kw_only=True)
class _RawRecord:
    topic: str
    partition: int
    key: bytes | None
    offset: int = 0
    timestamp: int = 0
    value: bytes | None = b""
    headers: list[tuple[str, bytes | None]]


def _judged(
    source: EventSource, rules: IntakeRules, state: PartitionState, partition: int, event: Event
) -> tuple[bytes | None, bytes] | None:
    key = event["event_id"].encode() if event.get("event_id") else None
    record = _RawRecord(topic="raw", partition=partition, key=key, headers=[])
    written = rules.judge(state, record, EventCodec(source).from_values, event, 2**45)
    state.commit()
    if written is None or written.topic != validated_topic(source):
        return None
    assert written.value is not None
    return written.key, written.value


def _accepted(source: EventSource, start_ms: int, raw: list[Event]) -> list[Event]:
    """Accept an event if it is newer than newest - d and its id is not among the last d."""
    newest = start_ms
    taken: list[Event] = []
    for event in raw:
        time_ms = event["event_time_ms"]
        oldest = newest - source.lateness_ms
        if time_ms <= oldest:
            continue
        recent = {each["event_id"] for each in taken if each["event_time_ms"] > oldest}
        if event.get("event_id") in recent:
            continue
        newest = max(time_ms, newest)
        if event.get("event_id"):
            taken.append(event)
    return taken


def _raw_events(
    source: EventSource, case: StreamCase, partition: int, slide_ms: int
) -> list[Event]:
    """Ties, duplicates, conflicts, disorder up to the lateness and beyond, nulls, long gaps."""
    rng = random.Random(f"{case.seed}-{source.name}-{partition}")
    newest = case.start_ms
    raw: list[Event] = []
    for number in range(case.events):
        if raw and rng.random() < 0.05:
            again = rng.choice(raw[-5:])
            conflicts = "event_id" in again and rng.random() < 0.3
            raw.append(again | {"small": 5} if conflicts else again)
            continue
        step = rng.choice([0, 0, 1, slide_ms // 7, slide_ms, rng.randrange(3 * slide_ms)])
        if rng.random() < 0.03:
            step = rng.randrange(60) * slide_ms
        behind = rng.choice([0, 0, 1, source.lateness_ms - 1, source.lateness_ms])
        behind = rng.choice([behind, rng.randrange(source.lateness_ms)])
        if rng.random() < 0.1:  # exactly on a window end, or one millisecond before
            newest = (newest // slide_ms + 1) * slide_ms - rng.randrange(2)
        time_ms = max(0, newest + step - behind) if number else case.start_ms
        newest = max(newest, time_ms)
        raw.append(_event(rng, case, partition, number, time_ms))
    return raw


def _event(
    rng: random.Random, case: StreamCase, partition: int, number: int, time_ms: int
) -> Event:
    if number and rng.random() < 0.05:
        return {"event_time_ms": time_ms}
    prefix = rng.choice(["a", "aa", "b", "ä"]) * rng.randrange(1, 3)
    values: Event = {
        "key": TEXTS[rng.randrange(case.keys) % len(TEXTS)],
        "order": rng.choice(INTS[: case.keys]),
        "small": rng.randrange(-5_000, 5_001),
        "wide": rng.choice(INTS),
        "price": rng.choice([*PRICES, decimal.Decimal(rng.randrange(-(10**6), 10**6)).scaleb(-2)]),
        "precise": rng.choice(PRECISE),
        "weight": rng.choice([*FLOATS, rng.uniform(-1e6, 1e6)]),
        "flag": rng.random() < 0.5,
        "text": rng.choice(TEXTS),
        "at": rng.choice([0, time_ms - 1 if time_ms else 0, 1_400_000_000_123]),
    }
    nulled = {name: None for name in values if rng.random() < case.nulls}
    return {
        "event_id": f"{prefix}-{partition}-{number}",
        "event_time_ms": time_ms,
        "stream": rng.randrange(case.streams),
        **values,
        **nulled,
    }
