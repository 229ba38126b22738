"""Decimals and text through Avro and intake: exact, in one encoding, or refused."""

import decimal
import math
from datetime import timedelta
from decimal import Decimal as Number
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.fields import Decimal, Field, Float64, Int64, String
from features.source import EventSource
from features.validation import InvalidEventError
from streaming.intake.codec import EventCodec
from streaming.intake.gate import Outcome, PartitionState
from streaming.intake.history_pass import HistoryPass
from streaming.intake.raw import RawEvents
from streaming.intake.rules import IntakeRules
from streaming.kafka.avro import AvroCodec
from streaming.kafka.decimals import DecimalError
from streaming.kafka.framing import UndecodableError
from streaming.kafka.rows import RowDecoder
from streaming.kafka.schemas import Schema, event_schema

MOST = 10**38 - 1
TIME_MS = 1_000_000_000_000
SOURCE = EventSource(
    name="payments",
    fields=(
        Field(
            name="fee",
            type=Decimal(precision=5, scale=2, minimum=Number("-1.5"), maximum=Number("99.99")),
            nullable=True,
        ),
        Field(name="whole", type=Decimal(precision=38), nullable=True),
        Field(name="small", type=Decimal(precision=38, scale=38), nullable=True),
        Field(name="note", type=String(), nullable=True),
        Field(name="count", type=Int64(), nullable=True),
        Field(name="ratio", type=Float64(), nullable=True),
    ),
    lateness=timedelta(minutes=1),
)
AVRO = AvroCodec(event_schema(SOURCE))
ROWS = RowDecoder(event_schema(SOURCE))
CODEC = EventCodec(SOURCE)
RAW = RawEvents(SOURCE)
NULLS: dict[str, Any] = {"event_id": "p1", "event_time_ms": TIME_MS} | {
    field.name: None for field in SOURCE.fields
}


def plain_codec() -> AvroCodec:
    """Encode decimals as the bytes that are given."""
    schema: Schema = event_schema(SOURCE)
    for field in schema["fields"]:
        if field["name"] in ("fee", "whole", "small"):
            field["type"] = ["null", "bytes"]
    return AvroCodec(schema)


def raw(**changed: bytes) -> bytes:
    bare = plain_codec().encode(NULLS | changed)
    return AVRO.encode_single_object(NULLS)[:10] + bare


# What java.math.BigInteger.toByteArray gives, which Flink writes.
JAVA = {
    0: "00",
    1: "01",
    -1: "ff",
    127: "7f",
    128: "0080",
    -128: "80",
    -129: "ff7f",
    255: "00ff",
    256: "0100",
    -256: "ff00",
    -32768: "8000",
    -32769: "ff7fff",
    MOST: "4b3b4ca85a86c47a098a223fffffffff",
    -MOST: "b4c4b357a5793b85f675ddc000000001",
}


@pytest.mark.parametrize(("units", "expected"), JAVA.items())
def test_a_decimal_is_the_bytes_that_java_writes(units: int, expected: str) -> None:
    bare = AVRO.encode(NULLS | {"whole": Number(units)})

    assert bare == plain_codec().encode(NULLS | {"whole": bytes.fromhex(expected)})
    assert AVRO.decode(bare)["whole"] == units
    assert ROWS.decode([bare]) == [AVRO.decode(bare)]


@given(units=st.integers(-MOST, MOST), precision=st.integers(1, 5))
def test_every_decimal_is_exact_in_any_context(units: int, precision: int) -> None:
    value = Decimal(precision=38, scale=38).from_units(units)
    with decimal.localcontext(prec=precision, traps=[decimal.Inexact, decimal.Rounded]):
        event = CODEC.from_values(NULLS | {"small": value, "whole": Number(units)})
        (row,) = ROWS.decode([event.content])

    assert row["small"].as_tuple() == value.as_tuple()
    assert row["whole"].as_tuple() == Number(units).as_tuple()
    assert RAW.event(AVRO.encode_single_object(row)) == event


@pytest.mark.parametrize(
    ("units", "number"), [("0000", 0), ("ffff", -1), ("ff80", -128), ("00007f", 127)]
)
def test_a_number_in_more_bytes_than_it_needs_is_written_in_the_fewest(
    units: str, number: int
) -> None:
    event = RAW.event(raw(whole=bytes.fromhex(units)))

    assert event == CODEC.from_values(NULLS | {"whole": Number(number)})
    with pytest.raises(UndecodableError, match="canonical"):
        CODEC.from_log(raw(whole=bytes.fromhex(units))[10:])


def test_no_bytes_are_no_number() -> None:
    with pytest.raises(UndecodableError, match="whole: got no bytes"):
        RAW.event(raw(whole=b""))


@pytest.mark.parametrize("value", ["1.5", "1.50", "1.5000", "15E-1", "0.015E+2"])
def test_digits_that_are_zero_do_not_matter(value: str) -> None:
    event = CODEC.from_values(NULLS | {"fee": Number(value)})

    assert event == CODEC.from_values(NULLS | {"fee": Number("1.50")})
    assert str(AVRO.decode(event.content)["fee"]) == "1.50"
    assert RAW.event(AVRO.encode_single_object(NULLS | {"fee": Number(value)})) == event


@pytest.mark.parametrize("zero", ["0", "-0", "-0.00", "0E+99", "-0E-99", "0E-999999"])
def test_every_zero_is_the_same(zero: str) -> None:
    event = CODEC.from_values(NULLS | {"fee": Number(zero)})

    assert str(AVRO.decode(event.content)["fee"]) == "0.00"
    assert event == CODEC.from_values(NULLS | {"fee": Number(0)})


@pytest.mark.parametrize(
    "value",
    ["-1.51", "100", "1.234", "NaN", "sNaN", "Infinity", "-Infinity", "1E+999999", "1E-999999"],
)
def test_a_decimal_that_does_not_fit_is_invalid(value: str) -> None:
    with pytest.raises(
        InvalidEventError, match=r"fee: got .*; allowed is -1\.50 to 99\.99, with at most 2 digits"
    ):
        CODEC.from_values(NULLS | {"fee": Number(value)})


@pytest.mark.parametrize("value", ["-1.5", "99.99"])
def test_the_range_is_inclusive(value: str) -> None:
    CODEC.from_values(NULLS | {"fee": Number(value)})


@pytest.mark.parametrize("bits", [127, 135, 1_007, 80_007])
def test_bytes_of_too_many_digits_are_refused(bits: int) -> None:
    data = (2**bits).to_bytes(bits // 8 + 2, "big", signed=True)

    with pytest.raises((InvalidEventError, UndecodableError), match=r"whole: got|4300 digits"):
        RAW.event(raw(whole=data))


def test_bytes_out_of_the_range_are_invalid() -> None:
    with pytest.raises(InvalidEventError, match=r"fee: got Decimal\('100\.00'\)"):
        RAW.event(raw(fee=(100_00).to_bytes(2, "big", signed=True)))


@pytest.mark.parametrize("value", [1, 1.5, "1.5", b"\x01", True])
def test_only_decimals_are_decimals(value: object) -> None:
    with pytest.raises(UndecodableError, match=r"fee: decimal: got .*decimal\(5, 2\)"):
        CODEC.from_values(NULLS | {"fee": value})


def test_a_producer_learns_what_does_not_fit() -> None:
    with pytest.raises(DecimalError, match=r"fee: decimal: got Decimal\('1\.234'\)"):
        AVRO.encode(NULLS | {"fee": Number("1.234")})


class _Raw:
    topic, partition, offset, timestamp = "payments.raw", 0, 7, 99
    key: bytes | None = b"k"
    headers: list[tuple[str, bytes | None]] = []  # noqa: RUF012

    def __init__(self, value: bytes) -> None:
        self.value: bytes | None = value


def test_a_dead_letter_keeps_the_bytes() -> None:
    state = PartitionState(SOURCE.lateness_ms)
    value = raw(fee=(100_00).to_bytes(2, "big", signed=True))

    letter = IntakeRules(SOURCE, "wall").judge(state, _Raw(value), RAW.event, value, now_ms=0)

    assert letter is not None
    assert (letter.topic, letter.key, letter.value) == ("payments.dead", b"k", value)
    assert dict(letter.headers)["__connect.errors.reason"] == b"invalid"
    assert state.counters == {Outcome.DEAD: 1}


TEXTS = ["", "\x00", "a\x00b", "\x01", "e\u0301", "\u00e9", "\U0001f6eb", "\uffff", "\u202e", "\n"]


@pytest.mark.parametrize("text", TEXTS)
def test_text_of_any_characters_is_kept(text: str) -> None:
    event = CODEC.from_values(NULLS | {"note": text})

    assert AVRO.decode(event.content)["note"] == text
    assert RAW.event(AVRO.encode_single_object(NULLS | {"note": text})) == event


def test_an_id_of_half_a_surrogate_pair_is_a_dead_letter_of_history() -> None:
    history = HistoryPass(
        source=SOURCE, slides_ms=[1_000], partitions=2, end_ms=TIME_MS + 1, now_ms=TIME_MS
    )

    written = list(history.records([NULLS | {"event_id": "\ud83d"}]))

    assert [record.topic for record in written].count("payments.dead") == 1
    assert history.counters[Outcome.DEAD] == 1


def test_half_a_surrogate_pair_is_refused() -> None:
    with pytest.raises(UndecodableError, match="surrogates not allowed"):
        CODEC.from_values(NULLS | {"note": "\ud83d"})
    whole = AVRO.encode_single_object(NULLS | {"note": "abc"})
    with pytest.raises(UndecodableError, match="can't decode"):
        RAW.event(whole.replace(b"abc", b"\xed\xa0\xbd"))


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"ratio": math.nan}, InvalidEventError),
        ({"ratio": -math.inf}, InvalidEventError),
        ({"count": 2**63}, UndecodableError),
        ({"count": -(2**63) - 1}, UndecodableError),
        ({"count": 1.0}, UndecodableError),
        ({"count": True}, UndecodableError),
        ({"note": b"bytes"}, UndecodableError),
    ],
)
def test_other_values_that_are_refused(
    change: dict[str, Any], error: type[InvalidEventError | UndecodableError]
) -> None:
    with pytest.raises(error):
        CODEC.from_values(NULLS | change)


@pytest.mark.parametrize("count", [2**63 - 1, -(2**63), 2**53 + 1])
def test_integers_are_exact(count: int) -> None:
    assert AVRO.decode(CODEC.from_values(NULLS | {"count": count}).content)["count"] == count
