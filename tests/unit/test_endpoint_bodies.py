"""Bodies of calls: what is read from good ones, and what is said of bad ones."""

import json
import math
import re
from datetime import timedelta
from decimal import Decimal as Number
from typing import Any

import pytest

from features.fields import Bool, Decimal, Field, Float64, Int64, String, TimestampMs
from features.source import EventSource
from models.endpoint.bodies import BodyError, RequestBodies

SOURCE = EventSource(
    name="orders",
    fields=(
        Field(name="customer", type=String(max_length=8)),
        Field(name="items", type=Int64(minimum=-3, maximum=100), nullable=True),
        Field(name="stock", type=Int64(), nullable=True),
        Field(name="weight", type=Float64(), nullable=True),
        Field(name="price", type=Decimal(precision=5, scale=2), nullable=True),
        Field(name="due", type=TimestampMs(), nullable=True),
        Field(name="gift", type=Bool(), nullable=True),
        Field(name="size", type=String(allowed=("s", "m")), nullable=True),
    ),
    lateness=timedelta(minutes=1),
)
BODIES = RequestBodies(SOURCE, max_requests=3)
TIME_MS = 1_700_000_000_000


def read(*requests: dict[str, Any]) -> list[dict[str, Any]]:
    return BODIES.read(json.dumps({"requests": requests}).encode())


def test_a_whole_request() -> None:
    asked = {
        "event_id": "o1",
        "event_time_ms": TIME_MS,
        "customer": "Zoë",
        "items": -3,
        "stock": 2**63 - 1,
        "weight": 2,
        "price": "12.50",
        "due": -1,
        "gift": False,
        "size": "m",
    }
    (event,) = read(asked)
    assert event == {**asked, "weight": 2.0, "price": Number("12.50")}


def test_what_is_left_out_is_null_and_an_id_is_made() -> None:
    first, second = read({"customer": "a"}, {"customer": "b", "event_id": None, "items": None})
    assert first["event_time_ms"] is None
    assert first["items"] is first["size"] is None
    assert re.match(r"[0-9a-f]{8}-[0-9a-f]{4}-4", first["event_id"])
    assert first["event_id"] != second["event_id"]


def test_a_zero_loses_its_sign() -> None:
    ((event,),) = [BODIES.read(b'{"requests": [{"customer": "a", "weight": -0.0}]}')]
    assert math.copysign(1, event["weight"]) == 1


REQUEST = '"requests": [{"customer": "a", %s}]'


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ('"items": 101', "requests[0].items: got 101; allowed is -3 to 100"),
        ('"items": true', "requests[0].items: got True"),
        ('"items": 1.0', "requests[0].items: got Decimal('1.0')"),
        ('"items": "1"', "requests[0].items: got '1'"),
        ('"items": [1]', "requests[0].items: got [1]"),
        ('"stock": 9223372036854775808', "requests[0].stock: got 9223372036854775808"),
        ('"stock": -9223372036854775809', "requests[0].stock: got -9223372036854775809"),
        ('"weight": 1e400', "requests[0].weight: got Decimal('1E+400')"),
        ('"weight": 1e999999', "requests[0].weight: got Decimal('1E+999999')"),
        ('"weight": false', "requests[0].weight: got False"),
        ('"weight": "1.5"', "requests[0].weight: got '1.5'"),
        ('"price": 1000.00', "requests[0].price: got Decimal('1000.00')"),
        ('"price": 0.001', "requests[0].price: got Decimal('0.001')"),
        ('"price": 1e99999', "requests[0].price: got Decimal('1E+99999')"),
        ('"price": "NaN"', "requests[0].price: got 'NaN'"),
        ('"due": 1.5', "requests[0].due: got Decimal('1.5')"),
        ('"gift": 1', "requests[0].gift: got 1; allowed is true or false"),
        ('"size": "xl"', "requests[0].size: got 'xl'; allowed is one of 's', 'm'"),
        ('"size": "\\ud800"', "requests[0].size: got '\\ud800'"),
        ('"\\ud800": 1', "requests[0].got the names ['\\ud800']"),
        ('"sizes": "s"', "requests[0].got the names ['sizes']"),
        ('"event_id": ""', "requests[0].event_id: got ''"),
        ('"event_id": 7', "requests[0].event_id: got 7"),
        ('"event_id": "a\\u0001"', "requests[0].event_id: got 'a\\x01'"),
        ('"event_time_ms": 1700000000', "it looks like seconds"),
        ('"event_time_ms": "now"', "requests[0].event_time_ms: got 'now'"),
    ],
)
def test_a_value_that_is_not_allowed(values: str, message: str) -> None:
    with pytest.raises(BodyError) as refused:
        BODIES.read(f"{{{REQUEST % values}}}".encode())
    assert message in str(refused.value)
    assert refused.value.status == 422


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (b'{"requests": [{"customer": "a"}, {}]}', 422, "requests[1].customer: got None"),
        (b'{"requests": [{"customer": null}]}', 422, "requests[0].customer: got None"),
        (b'{"requests": [{"customer": "123456789"}]}', 422, "requests[0].customer: got 9 char"),
        (b'{"requests": [7]}', 422, "requests[0].got 7"),
        (b'{"requests": []}', 422, "at least one request"),
        (b'{"requests": {"customer": "a"}}', 422, "requests: got {"),
        (b'{"customer": "a"}', 422, "body: got ['customer']"),
        (b'{"requests": [{"customer": "a"}], "more": 1}', 422, "body: got ['more', 'requests']"),
        (b"[]", 422, "body: got []"),
        (b"null", 422, "body: got None"),
        (b'{"requests": [{}, {}, {}, {}]}', 413, "requests: got 4; allowed are at most 3"),
        (b"", 400, "not JSON"),
        (b"{", 400, "not JSON"),
        (b"\xff", 400, "not JSON: UnicodeDecodeError"),
        (b'{"requests": [{"customer": "a", "weight": NaN}]}', 400, "NaN is not a number"),
        (b'{"requests": [{"customer": "a", "weight": -Infinity}]}', 400, "-Infinity is not"),
        (b'{"requests": [{"customer": "a", "customer": "b"}]}', 400, "a name stands twice"),
        (b'{"requests": ' + b"[" * 100_000, 400, "RecursionError"),
        (b'{"requests": [{"customer": "a", "items": ' + b"9" * 5_000 + b"}]}", 400, "not JSON"),
    ],
)
def test_a_body_that_is_not_allowed(body: bytes, status: int, message: str) -> None:
    with pytest.raises(BodyError) as refused:
        BODIES.read(body)
    assert message in str(refused.value)
    assert refused.value.status == status
