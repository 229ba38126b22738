"""What importing history writes, and how an import goes on after it was killed."""

import math
from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.fields import Bool, Field, Float64, Int64, String
from features.instant import EPOCH
from features.source import EventSource
from features.validation import InvalidEventError
from streaming.intake.codec import EventCodec
from streaming.intake.comparison import ImportConflictError, LogComparison
from streaming.intake.event_order import EventOrderError
from streaming.intake.gate import Outcome
from streaming.intake.history_pass import HistoryPass
from streaming.intake.raw import RawEvents
from streaming.kafka.avro import AvroCodec
from streaming.kafka.framing import UndecodableError
from streaming.kafka.partitioning import key_partition
from streaming.kafka.record import OutputRecord
from streaming.kafka.schemas import event_schema

SOURCE = EventSource(
    name="parcels",
    fields=(
        Field(name="depot", type=String()),
        Field(name="grams", type=Int64(minimum=0, maximum=30_000), nullable=True),
        Field(name="fee", type=Float64(), nullable=True),
        Field(name="express", type=Bool(), nullable=True),
    ),
    lateness=timedelta(milliseconds=10),
    earliest=EPOCH,
    max_clock_skew=timedelta(milliseconds=5),
)
CODEC = EventCodec(SOURCE)
RAW = RawEvents(SOURCE)
AVRO = AvroCodec(event_schema(SOURCE))


def event(time_ms: int, event_id: str, **more: Any) -> dict[str, Any]:
    return {"event_id": event_id, "event_time_ms": time_ms, "depot": "Graz", **more}


def history(partitions: int = 2, end_ms: int = 1_000, now_ms: int = 10_000) -> HistoryPass:
    return HistoryPass(
        source=SOURCE, slides_ms=(100,), partitions=partitions, end_ms=end_ms, now_ms=now_ms
    )


def shown(records: Iterator[OutputRecord]) -> list[str]:
    return [
        f"{record.topic}/{record.partition} "
        + (
            record.key.decode()
            if record.key
            else f"*{CODEC.from_log(record.value or b'').event_time_ms}"
        )
        for record in records
    ]


def test_events_go_to_the_partition_of_their_key_and_heartbeats_to_all() -> None:
    assert (key_partition(b"a", 2), key_partition(b"d", 2)) == (0, 1)
    records = history().records([event(5, "a"), event(909, "d"), event(910, "b"), event(950, "e")])
    assert shown(records) == [
        "parcels/0 a",
        "parcels/0 *810",
        "parcels/1 *810",
        "parcels/1 d",
        "parcels/0 *910",
        "parcels/1 *910",
        "parcels/0 b",
        "parcels/0 e",
        "parcels/0 *1000",
        "parcels/1 *1000",
    ]


def test_the_partition_is_that_of_other_clients() -> None:
    # Vectors of the Java client's UtilsTest.testMurmur2.
    known = {b"21": -973932308, b"foobar": -790332482, b"a-little-bit-long-string": -985981536}
    for key, hashed in known.items():
        assert key_partition(key, 7) == (hashed & 0x7FFFFFFF) % 7


def test_bad_events_become_dead_letters_and_doubled_ones_are_counted() -> None:
    one_pass = history(partitions=1)
    events = [
        event(1, "good"),
        event(1, "good"),
        event(2, "none", depot=None),
        event(3, "text", grams="many"),
        event(4, "range", grams=30_001),
        event(4, "strange", colour="red"),
        {"event_time_ms": 5, "depot": "Graz"},
        {"event_id": "timeless", "depot": "Graz"},
        event(8, "good", grams=1),
    ]
    records = list(one_pass.records(events))
    dead = [record for record in records if record.topic == "parcels.dead"]
    assert [dict(letter.headers)["__connect.errors.reason"].decode() for letter in dead] == [
        "invalid",
        "undecodable",
        "invalid",
        "undecodable",
        "invalid",
        "undecodable",
        "conflicting",
    ]
    assert dead[1].value == (
        b'{"event_id": "text", "event_time_ms": 3, "depot": "Graz", "grams": "many"}'
    )
    assert dict(dead[1].headers)["__connect.errors.offset"] == b"3"
    assert one_pass.counters[Outcome.ACCEPTED] == 1
    assert one_pass.counters[Outcome.DUPLICATE] == 1
    assert one_pass.counters[Outcome.DEAD] == len(dead)
    assert one_pass.counters[Outcome.LATE] == 0


def test_an_event_ahead_of_the_wall_clock_is_a_dead_letter() -> None:
    records = list(history(partitions=1, now_ms=500).records([event(505, "a"), event(506, "b")]))
    letters = [record.key for record in records if record.topic == "parcels.dead"]
    assert letters == [b"b"]


@pytest.mark.parametrize(
    "events",
    [
        [event(5, "a"), event(4, "b")],
        [event(5, "b"), event(5, "a")],
        [event(1_000, "a")],
    ],
)
def test_events_out_of_order_or_past_the_end_are_refused(events: list[dict[str, Any]]) -> None:
    with pytest.raises(EventOrderError, match="allowed is"):
        list(history().records(events))


values = st.none() | st.booleans() | st.integers(-5, 2**70) | st.floats() | st.text(max_size=3)


@given(
    st.fixed_dictionaries(
        {"event_id": st.text(max_size=2) | st.none(), "event_time_ms": st.integers(-1, 2**65)},
        optional={"depot": values, "grams": values, "fee": values, "express": values},
    )
)
def test_values_are_judged_as_their_bytes_would_be(event: dict[str, Any]) -> None:
    try:
        raw = AVRO.encode_single_object(event)
    except (TypeError, ValueError, AttributeError, OverflowError):
        with pytest.raises(UndecodableError):
            CODEC.from_values(event)
        return
    try:
        expected = RAW.event(raw)
    except InvalidEventError:
        with pytest.raises(InvalidEventError):
            CODEC.from_values(event)
        return
    assert CODEC.from_values(event) == expected


def test_a_negative_zero_becomes_zero_as_from_bytes() -> None:
    found = CODEC.from_values(event(1, "a", fee=-0.0))
    assert found == RAW.event(AVRO.encode_single_object(event(1, "a", fee=-0.0)))
    assert math.copysign(1, AVRO.decode(found.content)["fee"]) == 1


EVENTS = [
    event(1, "a"),
    event(2, "b"),
    event(2, "bad", grams=-1),
    event(3, "d"),
    event(4, "worse", grams=-1),
    event(950, "c"),
]


def held(records: list[OutputRecord], partitions: int = 2) -> dict[int, Iterator[Any]]:
    return {
        partition: iter(
            [
                SimpleNamespace(offset=offset, **record._asdict())
                for offset, record in enumerate(records)
                if record.topic == "parcels" and record.partition == partition
            ]
        )
        for partition in range(partitions)
    }


ALL = list(history().records(EVENTS))


@pytest.mark.parametrize(
    "committed", [n for n in range(len(ALL) + 1) if n == 0 or ALL[n - 1].topic == "parcels"]
)
def test_whatever_a_killed_import_committed_the_rest_is_written_once(committed: int) -> None:
    comparison = LogComparison("parcels", held(ALL[:committed]))
    rest = list(comparison.missing(history().records(EVENTS)))
    assert rest == ALL[committed:]
    assert comparison.found == sum(record.topic == "parcels" for record in ALL[:committed])


def test_a_log_that_goes_on_after_the_history_is_left_alone() -> None:
    more = [
        *ALL,
        OutputRecord("parcels", 0, b"later", CODEC.from_values(event(2_000, "l")).content),
    ]
    assert list(LogComparison("parcels", held(more)).missing(iter(ALL))) == []


@pytest.mark.parametrize("changed", [n for n, r in enumerate(ALL) if r.topic == "parcels"])
def test_a_log_with_other_content_is_refused(changed: int) -> None:
    other = [*ALL]
    other[changed] = other[changed]._replace(value=CODEC.from_values(event(7, "x")).content)
    with pytest.raises(ImportConflictError, match=r"log parcels, partition \d, offset \d+: got "):
        list(LogComparison("parcels", held(other)).missing(iter(ALL)))


def test_a_log_with_a_hole_is_refused() -> None:
    assert [record.partition for record in ALL[:4]] == [0, 0, 0, 1]
    without_the_second = [ALL[0], *ALL[2:4]]
    with pytest.raises(ImportConflictError, match=r"got event d, .* event b before it"):
        list(LogComparison("parcels", held(without_the_second)).missing(iter(ALL)))
