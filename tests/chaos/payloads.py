"""Payloads of producers: valid ones of every encoding, and damaged ones made of them."""

import io
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal as Number
from typing import Any

import fastavro

from features.fields import Bool, Decimal, Field, Float64, Int64, String, TimestampMs
from features.source import Encoding, EventSource
from streaming.intake.raw import RawEvents
from streaming.kafka.avro import AvroCodec, schema_fingerprint
from streaming.kafka.framing import single_object_header, with_schema_id
from streaming.kafka.schemas import Schema, event_schema

TIME_MS = 1_700_000_000_000
_TEXTS = ["", "a", "Zürich", "🚀", "x" * 200, "a\x00b"]
_FIELDS = (
    Field(name="shop", type=String(max_length=250), nullable=True, aliases=("store",)),
    Field(name="items", type=Int64(minimum=-1_000, maximum=1_000), nullable=True),
    Field(name="weight", type=Float64(), nullable=True),
    Field(name="due", type=TimestampMs(), nullable=True),
    Field(name="gift", type=Bool(), nullable=True),
)
_PRICE = Field(name="price", type=Decimal(precision=20, scale=4), nullable=True)

PLAIN = EventSource(name="fuzz", fields=_FIELDS, lateness=timedelta(minutes=1))
PRICED = replace(PLAIN, fields=(*_FIELDS, _PRICE))
# What another team writes: other names, other order, arrays and maps that are of no interest.
FOREIGN: Schema = {
    "type": "record",
    "name": "com.shop.Sale",
    "fields": [
        {"name": "tags", "type": {"type": "array", "items": "string"}},
        {"name": "items", "type": "int"},
        {"name": "event_time_ms", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "notes", "type": {"type": "map", "values": ["null", "long"]}},
        {"name": "store", "type": ["string", "null"]},
        {"name": "event_id", "type": "string"},
    ],
}
FORMER: Schema = {**FOREIGN, "fields": [FOREIGN["fields"][at] for at in (5, 2, 1, 4)]}


class Registry:
    def schema(self, schema_id: int) -> Any | None:
        return {1: FOREIGN, 2: event_schema(PRICED), 3: {"type": "record"}}.get(schema_id)


def _values(rng: random.Random, source: EventSource) -> dict[str, Any]:
    price = (
        {"price": Number(rng.randrange(-(10**9), 10**9)).scaleb(-4)}
        if len(source.fields) > 5
        else {}
    )
    values = {
        "shop": rng.choice(_TEXTS),
        "items": rng.randrange(-1_000, 1_001),
        "weight": rng.choice([0.0, -0.0, 1.5, -1e300, rng.random()]),
        "due": TIME_MS,
        "gift": rng.random() < 0.5,
        **price,
    }
    return {
        "event_id": f"e{rng.randrange(10**6)}",
        "event_time_ms": TIME_MS + rng.randrange(10**6),
        **{name: None if rng.random() < 0.2 else value for name, value in values.items()},
    }


def _foreign(rng: random.Random, schema: Schema) -> bytes:
    values = _values(rng, PLAIN)
    record = {
        "tags": [rng.choice(_TEXTS) for _ in range(rng.randrange(4))],
        "notes": {"a": 1, "b": None},
        "store": values["shop"],
        "items": values["items"] or 0,
        "event_id": values["event_id"],
        "event_time_ms": values["event_time_ms"],
    }
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(_plain(schema)), record)
    return out.getvalue()


def _plain(schema: Schema) -> Schema:
    return json.loads(json.dumps(schema).replace(', "logicalType": "timestamp-millis"', ""))


def _json(values: dict[str, Any]) -> bytes:
    return json.dumps(values, default=str).encode()


class Case:
    """One way to publish: what reads it, and what it looks like."""

    def __init__(
        self, source: EventSource, encoding: Encoding, make: Callable[[random.Random], bytes]
    ) -> None:
        self.source = replace(source, encoding=encoding)
        self.raw = RawEvents(self.source, versions=[FORMER], registry=Registry())
        self.own = RawEvents(replace(source, encoding="avro"))
        self.log = AvroCodec(event_schema(self.source))
        self.make = make


def cases() -> dict[str, Case]:
    plain, priced = AvroCodec(event_schema(PLAIN)), AvroCodec(event_schema(PRICED))
    former = single_object_header(schema_fingerprint(FORMER))
    return {
        "avro": Case(PLAIN, "avro", lambda rng: plain.encode_single_object(_values(rng, PLAIN))),
        "avro decimals": Case(
            PRICED, "avro", lambda rng: priced.encode_single_object(_values(rng, PRICED))
        ),
        "avro former version": Case(PLAIN, "avro", lambda rng: former + _foreign(rng, FORMER)),
        "confluent foreign": Case(
            PLAIN, "confluent", lambda rng: with_schema_id(1, _foreign(rng, FOREIGN))
        ),
        "confluent own": Case(
            PRICED, "confluent", lambda rng: with_schema_id(2, priced.encode(_values(rng, PRICED)))
        ),
        "json": Case(PRICED, "json", lambda rng: _json(_values(rng, PRICED))),
    }


def damaged(rng: random.Random, make: Callable[[random.Random], bytes]) -> Iterator[bytes]:
    """Without end: valid payloads with a few bits, bytes or parts changed, lost or doubled."""
    while True:
        payload = bytearray(make(rng))
        for _ in range(rng.choice([1, 1, 1, 2, 3, 8])):
            _damage(rng, payload, make)
        yield bytes(payload)


def _damage(rng: random.Random, payload: bytearray, make: Callable[[random.Random], bytes]) -> None:
    at = rng.randrange(len(payload) + 1)
    # Mostly behind the header, which would end the matter at once.
    at = max(at, min(10, len(payload))) if rng.random() < 0.9 else at
    match rng.randrange(8):
        case 0 if at < len(payload):
            payload[at] ^= 1 << rng.randrange(8)
        case 1 if at < len(payload):
            payload[at] = rng.choice([0, 1, 2, 0x7F, 0x80, 0xFF, rng.randrange(256)])
        case 2:
            del payload[at:]
        case 3:
            payload[at:at] = rng.randbytes(rng.choice([1, 2, 9, 40]))
        case 4:
            del payload[at : at + rng.randrange(1, 5)]
        case 5:
            payload[at:at] = b"\xff" * rng.randrange(1, 12)
        case 6:
            payload[at:] = make(rng)[at:]
        case _:
            payload[at:at] = payload[rng.randrange(len(payload) + 1) :][:20]
