"""Events as JSON: exact numbers, known names, nothing else."""

import json
from datetime import timedelta
from decimal import Decimal as Number
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.fields import Bool, Decimal, Field, Float64, Int64, String, TimestampMs
from features.source import EventSource
from features.validation import InvalidEventError
from streaming.intake.codec import EventCodec
from streaming.intake.raw import RawEvents, TooLargeError
from streaming.kafka.avro import AvroCodec
from streaming.kafka.framing import UndecodableError
from streaming.kafka.schemas import event_schema

TIME_MS = 1_700_000_000_000
SOURCE = EventSource(
    name="orders",
    fields=(
        Field(name="customer", type=String(max_length=8), nullable=True),
        Field(name="items", type=Int64(), nullable=True),
        Field(name="weight", type=Float64(minimum=0.0, maximum=100.0), nullable=True),
        Field(name="price", type=Decimal(precision=20, scale=4), nullable=True),
        Field(name="due", type=TimestampMs(), nullable=True),
        Field(name="gift", type=Bool(), nullable=True),
        Field(name="size", type=String(allowed=("s", "m", "l")), nullable=True),
    ),
    lateness=timedelta(minutes=1),
    encoding="json",
    max_event_bytes=1_000,
)
LOG = AvroCodec(event_schema(SOURCE))
RAW = RawEvents(SOURCE)
ID = f'"event_id":"o1","event_time_ms":{TIME_MS}'


def read(text: str) -> dict[str, Any]:
    return LOG.decode(RAW.event(text.encode()).content)


def test_a_whole_event() -> None:
    found = read(
        f'{{{ID},"customer":"Zo\\u00eb","items":-3,"weight":1.5,"price":12.3400,'
        f'"due":{TIME_MS + 1},"gift":true,"size":"m"}}'
    )
    assert found == {
        "event_id": "o1",
        "event_time_ms": TIME_MS,
        "customer": "Zoë",
        "items": -3,
        "weight": 1.5,
        "price": Number("12.3400"),
        "due": TIME_MS + 1,
        "gift": True,
        "size": "m",
    }


def test_what_is_left_out_is_null_and_a_heartbeat_has_only_a_time() -> None:
    assert read(f"{{{ID}}}") == read(f'{{{ID},"customer":null,"gift":null}}')
    heartbeat = RAW.event(f'{{"event_time_ms":{TIME_MS}}}'.encode())
    assert heartbeat == EventCodec(SOURCE).heartbeat(TIME_MS)


@pytest.mark.parametrize(
    ("given_as", "number"),
    [
        ("1234567890123456.7891", "1234567890123456.7891"),
        ('"1234567890123456.7891"', "1234567890123456.7891"),
        ("7", "7.0000"),
        ('"-0.5"', "-0.5000"),
        ("1E2", "100.0000"),
        ("-0.0", "0.0000"),
    ],
)
def test_a_decimal_is_exact_as_a_number_and_as_text(given_as: str, number: str) -> None:
    found = read(f'{{{ID},"price":{given_as}}}')["price"]
    assert found.as_tuple() == Number(number).as_tuple()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON"),
        ("[]", r"got \[\]; allowed is a JSON object"),
        ('"x"', "allowed is a JSON object"),
        (f"{{{ID}", "not JSON"),
        (f"{{{ID}}} 1", "not JSON"),
        (f'{{{ID},"event_id":"o2"}}', "stands twice"),
        (f'{{{ID},"weight":NaN}}', "NaN is not a number of JSON"),
        (f'{{{ID},"weight":-Infinity}}', "Infinity is not"),
        (f'{{{ID},"weight":1e999}}', "weight: got Decimal"),
        (f'{{{ID},"weight":"1.5"}}', "weight: got '1.5'; allowed is a number"),
        (f'{{{ID},"weight":true}}', "weight: got True"),
        (f'{{{ID},"items":1.0}}', "items: got Decimal"),
        (f'{{{ID},"items":true}}', "items: got True"),
        (f'{{{ID},"items":9223372036854775808}}', "items: got 9223372036854775808"),
        (f'{{{ID},"items":{"9" * 900}}}', "items: got"),
        (f'{{{ID},"price":"1e5"}}', "price: got '1e5'"),
        (f'{{{ID},"price":" 1"}}', "price: got"),
        (f'{{{ID},"price":"\\u0661"}}', "price: got"),
        (f'{{{ID},"price":[1]}}', "price: got"),
        (f'{{{ID},"gift":1}}', "gift: got 1; allowed is true or false"),
        (f'{{{ID},"customer":5}}', "customer: got 5; allowed is text"),
        (f'{{{ID},"customer":"\\ud83d"}}', "customer: got"),
        (f'{{{ID},"due":"2024-01-01"}}', "whole number of milliseconds"),
        (f'{{{ID},"colour":"red"}}', r"got the names \['colour'\]; allowed are event_id"),
        ('{"event_id":"o1"}', "event_time_ms: got nothing"),
        ('{"event_id":"o1","event_time_ms":null}', "event_time_ms: got nothing"),
        ("[" * 900, "not JSON"),
        ("\ufeff{}", "not JSON"),
    ],
)
def test_what_is_refused(text: str, message: str) -> None:
    with pytest.raises(UndecodableError, match=message):
        read(text)


def test_bytes_that_are_not_utf_8_are_refused() -> None:
    for encoding in ("utf-16", "utf-32"):
        with pytest.raises(UndecodableError, match="not JSON"):
            RAW.event(f"{{{ID}}}".encode(encoding))
    with pytest.raises(UndecodableError, match="not JSON"):
        RAW.event(f'{{{ID},"customer":"'.encode() + b'\xff"}')


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f'{{{ID},"customer":"123456789"}}', "customer: got 9 characters; allowed are at most 8"),
        (f'{{{ID},"size":"xl"}}', "size: got 'xl'; allowed is one of 's', 'm', 'l'"),
        (f'{{{ID},"weight":100.5}}', "weight: got 100.5; allowed is a number from 0.0 to 100.0"),
        (f'{{{ID},"price":1.23456}}', "price: got"),
        (f'{{{ID},"price":1e9999999}}', "price: got"),
        ('{"event_id":"o1","event_time_ms":1700000000}', "it looks like seconds"),
        ('{"event_id":"o1","event_time_ms":0}', "946684800000 or later"),
        (f'{{"event_id":"{"x" * 256}","event_time_ms":{TIME_MS}}}', "1 to 255 characters"),
    ],
)
def test_values_that_the_definitions_do_not_allow(text: str, message: str) -> None:
    with pytest.raises(InvalidEventError) as caught:
        read(text)
    assert message in str(caught.value)


def test_a_record_that_is_too_large_is_not_looked_into() -> None:
    filler = " " * (1_000 - len(f"{{{ID}}}"))
    read(f"{{{ID}{filler}}}")
    with pytest.raises(TooLargeError, match="got 1001 bytes; allowed are at most 1000"):
        read(f"{{{ID}{filler} }}")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from([field.name for field in SOURCE.fields]), JSON))
def test_arbitrary_values_are_refused_or_kept(values: dict[str, Any]) -> None:
    text = json.dumps({"event_id": "o1", "event_time_ms": TIME_MS, **values}).encode()
    try:
        event = RAW.event(text)
    except (UndecodableError, InvalidEventError):
        return
    again = LOG.decode(event.content)
    assert LOG.encode(again) == event.content
    for name, value in values.items():
        assert again[name] == (Number(str(value)) if name == "price" and value else value)
