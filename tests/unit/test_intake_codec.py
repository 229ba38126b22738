"""From raw bytes to canonical events: golden bytes, known fingerprints, refused values."""

import json
import math
import struct
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.fields import Bool, Field, Float64, Int64, String, TimestampMs
from features.instant import EPOCH
from features.source import EventSource
from features.validation import InvalidEventError
from streaming.intake.codec import EventCodec
from streaming.intake.raw import RawEvents
from streaming.kafka.avro import AvroCodec, schema_fingerprint
from streaming.kafka.framing import UndecodableError
from streaming.kafka.quarantine import quarantined
from streaming.kafka.record import OutputRecord
from streaming.kafka.schemas import event_schema

SOURCE = EventSource(
    name="parcels",
    fields=(
        Field(name="depot", type=String()),
        Field(name="grams", type=Int64(minimum=0, maximum=30_000), nullable=True),
        Field(name="fee", type=Float64(), nullable=True),
        Field(name="express", type=Bool()),
        Field(name="due", type=TimestampMs()),
    ),
    lateness=timedelta(minutes=1),
    earliest=EPOCH,
)
AVRO = AvroCodec(event_schema(SOURCE))
CODEC = EventCodec(SOURCE)
RAW = RawEvents(SOURCE)
EVENT: dict[str, Any] = {
    "event_id": "p1",
    "event_time_ms": 1_000,
    "depot": "Graz",
    "grams": 250,
    "fee": 1.5,
    "express": True,
    "due": 2_000,
}
# id "p1", time, depot "Graz", grams, fee, express, due: each value after its union branch.
GOLDEN_BARE = "02047031d00f02084772617a02f40302000000000000f83f020102a01f"


# Vectors of the Avro project's share/test/data/schema-tests.txt.
@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ("null", 7195948357588979594),
        ("boolean", -6970731678124411036),
        ("int", 8247732601305521295),
        ("long", -3434872931120570953),
        ("string", -8142146995180207161),
    ],
)
def test_the_fingerprint_is_crc_64_avro_little_endian(schema: str, expected: int) -> None:
    assert schema_fingerprint(schema) == struct.pack("<q", expected)


def test_golden_bytes() -> None:
    assert AVRO.encode(EVENT).hex() == GOLDEN_BARE
    assert AVRO.encode_single_object(EVENT).hex() == "c30114beaa44cd384e05" + GOLDEN_BARE


def test_a_valid_event_keeps_its_bytes() -> None:
    event = RAW.event(AVRO.encode_single_object(EVENT))
    assert (event.event_id, event.event_time_ms) == ("p1", 1_000)
    assert event.content.hex() == GOLDEN_BARE
    assert CODEC.from_log(event.content) == event


def test_a_heartbeat_has_only_an_event_time() -> None:
    heartbeat = RAW.event(AVRO.encode_single_object({"event_time_ms": 7}))
    assert heartbeat == CODEC.heartbeat(7)
    assert heartbeat.event_id is None


def test_negative_zero_becomes_zero() -> None:
    negative = RAW.event(AVRO.encode_single_object({**EVENT, "fee": -0.0}))
    positive = RAW.event(AVRO.encode_single_object({**EVENT, "fee": 0.0}))
    assert negative == positive


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"event_id": ""}, "event_id: got ''"),
        ({"event_id": "a\x01b"}, "below U+0020"),
        ({"event_id": "a\n"}, "below U+0020"),
        ({"event_id": None}, "event_id: got None"),
        ({"event_time_ms": -1}, "event_time_ms: got -1"),
        ({"depot": None}, "depot: got None; allowed is a value"),
        ({"express": None}, "express: got None"),
        ({"grams": -1}, "grams: got -1; allowed is 0 to 30000"),
        ({"grams": 30_001}, "grams: got 30001"),
        ({"fee": math.nan}, "fee: got nan"),
        ({"fee": math.inf}, "fee: got inf"),
        ({"fee": -math.inf}, "fee: got -inf"),
    ],
)
def test_values_that_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidEventError) as caught:
        RAW.event(AVRO.encode_single_object({**EVENT, **change}))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "change", [{"event_id": " "}, {"grams": None}, {"grams": 0}, {"grams": 30_000}, {"fee": None}]
)
def test_values_at_the_edge_are_allowed(change: dict[str, Any]) -> None:
    RAW.event(AVRO.encode_single_object({**EVENT, **change}))


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"\xc3\x01",
        b"\xc3\x01" + bytes(8) + bytes.fromhex(GOLDEN_BARE),
        AVRO.encode_single_object(EVENT)[:-1],
        AVRO.encode_single_object(EVENT) + b"\x00",
        b"\xc3\x02" + AVRO.encode_single_object(EVENT)[2:],
        bytes.fromhex(GOLDEN_BARE),
        json.dumps(EVENT).encode(),
    ],
    ids=["empty", "cut", "schema", "short", "long", "version", "bare", "json"],
)
def test_bytes_that_are_refused(value: bytes) -> None:
    with pytest.raises(UndecodableError):
        RAW.event(value)


def test_an_encoding_that_no_writer_makes_is_refused() -> None:
    good = AVRO.encode_single_object({"event_time_ms": 0})
    assert good[10:12] == b"\x00\x00"
    # Union branch -1, which Python would take as the last one.
    with pytest.raises(UndecodableError):
        RAW.event(good[:10] + b"\x01\x02a" + good[11:])


@given(st.binary(max_size=60))
def test_arbitrary_bytes_are_refused_or_decoded_never_worse(payload: bytes) -> None:
    header = AVRO.encode_single_object(EVENT)[:10]
    try:
        event = RAW.event(header + payload)
    except (UndecodableError, InvalidEventError):
        return
    assert CODEC.from_log(event.content) == event


class _Raw:
    topic, partition, offset, timestamp = "parcels.raw", 1, 42, 99
    key: bytes | None = b"\xff"
    value: bytes | None = b"\x00\x01"
    headers: list[tuple[str, bytes | None]] = [("trace", b"\xfe"), ("empty", None)]  # noqa: RUF012


def test_a_dead_letter_is_the_original_and_the_reason() -> None:
    letter = quarantined(_Raw(), "parcels.dead", stage="decode", reason="undecodable", detail="x")
    assert letter == OutputRecord(
        topic="parcels.dead",
        partition=1,
        key=b"\xff",
        value=b"\x00\x01",
        headers=(
            ("trace", b"\xfe"),
            ("empty", b""),
            ("__connect.errors.topic", b"parcels.raw"),
            ("__connect.errors.partition", b"1"),
            ("__connect.errors.offset", b"42"),
            ("__connect.errors.stage", b"decode"),
            ("__connect.errors.reason", b"undecodable"),
            ("__connect.errors.exception.message", b"x"),
            ("__connect.errors.nulls", b'["header 1"]'),
        ),
        timestamp_ms=99,
    )


def test_a_record_without_key_and_value_can_still_be_written() -> None:
    raw = _Raw()
    raw.key = raw.value = None
    letter = quarantined(raw, "parcels.dead", stage="decode", reason="undecodable", detail="x")
    assert (letter.key, letter.value) == (None, b"")
    assert letter.headers[-1] == ("__connect.errors.nulls", b'["header 1", "value"]')
