"""Letters: read back as they were written, drawn as samples, judged again."""

import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

import pytest

from features.aggregation import Count, Last, Mean
from features.definitions import Definitions
from features.entity import Entity
from features.fields import Field, Int64, String
from features.filter import Comparison, Filter
from features.source import EventSource
from features.view import FeatureView
from features.window import SlidingWindow
from streaming.intake.codec import CanonicalEvent
from streaming.intake.gate import Gate, Late, PartitionState
from streaming.intake.raw import RawEvents
from streaming.kafka.avro import AvroCodec
from streaming.kafka.quarantine import (
    Letter,
    LetterId,
    NotALetterError,
    OriginalRecord,
    quarantined,
    read_letter,
)
from streaming.kafka.schemas import event_schema
from streaming.quarantine.as_text import aligned, instant_text, letter_rows, shown
from streaming.quarantine.decoding import letter_values
from streaming.quarantine.missed import missed_views, newest_then
from streaming.quarantine.selection import draw
from streaming.quarantine.triage import PartitionTriage

LATENESS = 100
NOW = 2_000_000_000_000
SOURCE = EventSource(
    name="taps",
    fields=(
        Field(name="stop", type=String(), nullable=True),
        Field(name="fare", type=Int64(minimum=0, maximum=99), nullable=True),
    ),
    lateness=timedelta(milliseconds=LATENESS),
    max_clock_skew=timedelta(milliseconds=50),
)
AVRO = AvroCodec(event_schema(SOURCE))
Headers = list[tuple[str, bytes | None]]


def original(
    value: bytes | None = b"v", headers: Headers | None = None, key: bytes | None = b"k"
) -> OriginalRecord:
    return OriginalRecord(
        topic="taps.raw",
        partition=1,
        offset=42,
        timestamp=77,
        key=key,
        value=value,
        headers=headers or [],
    )


def stored(record: OriginalRecord, offset: int = 5, **why: str) -> OriginalRecord:
    """The record as the quarantine topic has it."""
    said = {"stage": "decode", "reason": "undecodable", "detail": "broken"} | why
    written = quarantined(record, "taps.dead", **said)
    return OriginalRecord(
        topic=written.topic,
        partition=record.partition,
        offset=offset,
        timestamp=record.timestamp,
        key=written.key,
        value=written.value,
        headers=list(written.headers),
    )


def letter(event_id: str, time_ms: int, *, offset: int, fare: int = 1) -> Letter:
    event = {"event_id": event_id, "event_time_ms": time_ms, "stop": "a", "fare": fare}
    record = original(AVRO.encode_single_object(event))
    return read_letter(stored(record, offset))


@pytest.mark.parametrize(
    "record",
    [
        original(),
        original(value=None),
        original(value=None, key=None),
        original(value=b"", headers=[("a", None), ("b", b""), ("a", b"\xff")]),
        original(headers=[("__connect.errors.topic", b"mine"), ("__connect.errors.x", b"\xff")]),
    ],
)
def test_a_letter_is_what_was_written(record: OriginalRecord) -> None:
    read = read_letter(stored(record))
    assert read.original == record
    assert (str(read.id), read.stage, read.reason, read.detail) == (
        "1:5",
        "decode",
        "undecodable",
        "broken",
    )


def test_a_letter_within_a_letter_keeps_the_last_reason() -> None:
    first = stored(original(headers=[("trace", b"1")]))
    second = read_letter(stored(replace(first, offset=9), reason="invalid", stage="validate"))
    assert (second.reason, second.original.offset) == ("invalid", 9)
    assert read_letter(second.original) == read_letter(replace(first, offset=9))


def test_a_record_without_a_reason_is_no_letter() -> None:
    with pytest.raises(NotALetterError, match=r"partition 1, offset 42: got .*\['trace'\]"):
        read_letter(original(headers=[("trace", b"1")]))


def test_a_sample_is_drawn_by_id_alone() -> None:
    letters = [
        replace(letter("e", NOW, offset=0), id=LetterId(0, n), reason=reason)
        for n, reason in enumerate(["invalid"] * 500 + ["conflicting"] * 2)
    ]
    drawn = draw(letters, 10)
    assert [each.reason for each in drawn] == ["conflicting"] * 2 + ["invalid"] * 10
    assert draw(reversed(letters), 10) == drawn
    # It is spread over the topic; a sample of the first ones would not be.
    assert max(each.id.offset for each in drawn if each.reason == "invalid") > 250
    more = {each.id for each in draw(letters, 20)}
    assert {each.id for each in drawn} <= more


def state_after(*events: tuple[str | None, int]) -> PartitionState:
    state = PartitionState(LATENESS)
    for event_id, time_ms in events:
        values = {"event_id": event_id, "event_time_ms": time_ms, "stop": "a", "fare": 1}
        content = AVRO.encode(values)
        state.accept(CanonicalEvent(event_id=event_id, event_time_ms=time_ms, content=content))
    state.commit()
    return state


def triaged(
    letters: Iterable[Letter], *accepted: tuple[str | None, int]
) -> tuple[list[int], dict[int, str]]:
    """Offsets of the letters that pass, in order, and why the others are kept."""
    triage = PartitionTriage(SOURCE, RawEvents(SOURCE), "replay", state_after(*accepted), NOW)
    passing = [each.id.offset for each in triage.passing(letters)]
    return passing, {kept.id.offset: kept.why for kept in triage.kept}


def test_letters_pass_in_the_order_of_event_time() -> None:
    letters = [letter(f"e{n}", NOW - 1_000 + 60 * n, offset=9 - n) for n in range(5)]
    assert triaged(letters) == ([9, 8, 7, 6, 5], {})
    # In the order of the topic they would have made each other late.
    assert letters[4].id < letters[0].id


@pytest.mark.parametrize(("behind", "why"), [(LATENESS - 1, None), (LATENESS, "late")])
def test_what_is_late_is_kept(behind: int, why: str | None) -> None:
    passing, kept = triaged([letter("e", NOW - behind, offset=3)], ("newest", NOW))
    assert (passing, kept) == (([], {3: why}) if why else ([3], {}))


def test_what_would_be_refused_or_dropped_is_kept() -> None:
    letters = [
        letter("same", NOW, offset=0),
        letter("same", NOW, offset=1, fare=2),
        letter("new", NOW, offset=2),
        letter("new", NOW, offset=3),
        letter("new", NOW, offset=4, fare=2),
        letter("dear", NOW, offset=5, fare=100),
        letter("early", NOW + 51, offset=6),
        read_letter(stored(original(b"rubbish"), 7)),
        read_letter(stored(original(None), 8)),
    ]
    null = letter("null", NOW, offset=9)
    null.original.headers = [("a", None)]
    passing, kept = triaged([*letters, null], ("same", NOW))
    assert passing == [2]
    assert kept == {
        0: "duplicate",
        1: "conflicting",
        3: "duplicate",
        4: "conflicting",
        5: "invalid",
        6: "too_early",
        7: "undecodable",
        8: "undecodable",
        9: "null_header",
    }


def test_what_intake_has_not_read_yet_counts() -> None:
    triage = PartitionTriage(SOURCE, RawEvents(SOURCE), "replay", PartitionState(LATENESS), NOW)
    triage.read([letter("new", NOW, offset=0).original])
    letters = [letter("new", NOW, offset=1), letter("old", NOW - LATENESS, offset=2)]
    assert triage.passing(letters) == []
    assert [kept.why for kept in triage.kept] == ["duplicate", "late"]


def test_how_late_is_read_from_what_the_gate_says() -> None:
    late = Gate(SOURCE, "replay").decide(
        state_after(("newest", NOW)),
        CanonicalEvent(event_id="x", event_time_ms=NOW - 500, content=b""),
        NOW,
    )
    assert isinstance(late, Late)
    assert newest_then(late.detail) == (NOW, LATENESS)
    assert newest_then("something else") is None


def view(name: str, *aggregations: Count | Mean | Last) -> FeatureView:
    return FeatureView(
        name=name,
        source=SOURCE,
        entity=Entity(name="stop", join_keys=("stop",)),
        window=SlidingWindow(size=timedelta(seconds=30), slide=timedelta(seconds=10)),
        aggregations=aggregations,
    )


def test_a_view_misses_an_event_that_it_would_have_counted() -> None:
    dear = Filter("dear", Comparison("fare", ">=", 50))
    definitions = Definitions(
        views=(
            view("all", Count(), Mean("fare")),
            view("dear", Count(where=dear)),
            view("newest", Last("event_time")),
        ),
        services=(),
    )

    def missed(**values: object) -> dict[str, tuple[str, ...]]:
        event = {"event_id": "x", "event_time_ms": 20_000, "stop": "a", "fare": 7} | values
        found = missed_views(definitions, SOURCE, event)
        for each in found:
            assert each.keys == {"stop": "a"}
            assert (each.first_end_ms, each.last_end_ms, each.left_at_ms, each.windows) == (
                30_000,
                50_000,
                60_000,
                3,
            )
        return {each.view.name: each.features for each in found}

    newest = {"newest": ("newest_event_time_last",)}
    assert missed() == {"all": ("all_count", "all_fare_mean"), **newest}
    assert missed(fare=50)["dear"] == ("dear_dear_count",)
    assert missed(fare=None) == {"all": ("all_count",), **newest}
    assert missed(stop=None) == {}


@pytest.mark.parametrize("fare", [7, 100])
def test_values_are_decoded_also_when_they_are_not_allowed(fare: int) -> None:
    raw = RawEvents(SOURCE)
    event = {"event_id": "e", "event_time_ms": NOW, "stop": "a", "fare": fare}
    assert letter_values(raw, letter("e", NOW, offset=0, fare=fare)) == event
    assert letter_values(raw, read_letter(stored(original(b"rubbish")))) is None
    in_json = RawEvents(replace(SOURCE, encoding="json"))
    written = read_letter(stored(original(json.dumps(event).encode())))
    assert letter_values(in_json, written) == event


def test_a_line_is_a_line_whatever_a_producer_wrote() -> None:
    broken = letter("\x1b[31m:smile:\n", NOW, offset=0)
    event = letter_values(RawEvents(SOURCE), broken)
    _, line = aligned(letter_rows([(replace(broken, detail="x" * 500), event)]))
    assert line.isprintable()
    assert "\\x1b[31m:smile:\\n" in line
    assert line.endswith(f"  {'x' * 157}...")
    assert shown(None) == ""
    assert instant_text(2**62) == f"{2**62} ms"
