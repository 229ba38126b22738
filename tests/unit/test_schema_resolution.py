"""Records of other schemas, read as those of today: what may differ, and what may not."""

import io
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal as Number
from typing import Any

import fastavro
import pytest

from features.fields import Bool, Decimal, Field, Float64, Int64, String, TimestampMs
from features.source import EventSource
from features.validation import InvalidEventError
from streaming.intake.raw import RawEvents, UnknownSchemaError, UnreadableSchemaError
from streaming.kafka.avro import AvroCodec, schema_fingerprint
from streaming.kafka.framing import UndecodableError, single_object_header, with_schema_id
from streaming.kafka.resolution import IncompatibleSchemaError
from streaming.kafka.schemas import event_schema

TIME_MS = 1_700_000_000_000
SOURCE = EventSource(
    name="orders",
    fields=(
        Field(name="customer", type=String(), aliases=("client", "buyer")),
        Field(name="items", type=Int64()),
        Field(name="weight", type=Float64(), nullable=True),
        Field(name="price", type=Decimal(precision=10, scale=2), nullable=True),
        Field(name="due", type=TimestampMs(), nullable=True),
        Field(name="gift", type=Bool(), nullable=True),
    ),
    lateness=timedelta(minutes=1),
    encoding="confluent",
)
LOG = AvroCodec(event_schema(SOURCE))
ID = {"name": "event_id", "type": "string"}
TIME = {"name": "event_time_ms", "type": "long"}
CUSTOMER = {"name": "customer", "type": "string"}
ITEMS = {"name": "items", "type": "long"}
CENTS = {"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2}
BASE = [ID, TIME, CUSTOMER, ITEMS]
EVENT = {"event_id": "o1", "event_time_ms": TIME_MS, "customer": "Zoë", "items": 3}
NULLS = {"weight": None, "price": None, "due": None, "gift": None}


class Registry:
    """Schemas by id; answers as the real one does."""

    def __init__(self, **schemas: Any) -> None:
        self.schemas = {int(name[1:]): schema for name, schema in schemas.items()}
        self.asked: list[int] = []

    def schema(self, schema_id: int) -> Any | None:
        self.asked.append(schema_id)
        return self.schemas.get(schema_id)


def record(*fields: Any, name: str = "com.shop.Order") -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": list(fields)}


def encoded(schema: dict[str, Any], values: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema), values)
    return out.getvalue()


def read(schema: Any, bare: bytes) -> dict[str, Any]:
    event = RawEvents(SOURCE, registry=Registry(_7=schema)).event(with_schema_id(7, bare))
    assert LOG.encode(LOG.decode(event.content)) == event.content
    return LOG.decode(event.content)


@pytest.mark.parametrize(
    ("fields", "values", "expected"),
    [
        pytest.param([], {}, {}, id="a nullable field is missing"),
        pytest.param(
            [{"name": "colour", "type": "string"}], {"colour": "red"}, {}, id="a field was removed"
        ),
        pytest.param(
            [{"name": "tags", "type": {"type": "array", "items": "string"}}],
            {"tags": ["a", "b"]},
            {},
            id="an array was removed",
        ),
        pytest.param(
            [{"name": "extra", "type": record(ITEMS, name="com.shop.Extra")}],
            {"extra": {"items": 1}},
            {},
            id="a record was removed",
        ),
        pytest.param(
            [{"name": "weight", "type": "int"}], {"weight": 5}, {"weight": 5.0}, id="int to double"
        ),
        pytest.param(
            [{"name": "weight", "type": ["float", "null"]}],
            {"weight": 0.5},
            {"weight": 0.5},
            id="float to double, null last",
        ),
        pytest.param(
            [{"name": "weight", "type": "long"}],
            {"weight": 2**40},
            {"weight": 2.0**40},
            id="long to double",
        ),
        pytest.param(
            [{"name": "due", "type": {"type": "long", "logicalType": "timestamp-millis"}}],
            {"due": datetime.fromtimestamp(TIME_MS / 1000, tz=UTC)},
            {"due": TIME_MS},
            id="an instant in milliseconds by its logical type",
        ),
        pytest.param(
            [{"name": "price", "type": CENTS}],
            {"price": Number("-1.28")},
            {"price": Number("-1.28")},
            id="a decimal in more bytes than it needs",
        ),
        pytest.param(
            [{"name": "price", "type": {**CENTS, "precision": 20}}],
            {"price": Number("99999999.99")},
            {"price": Number("99999999.99")},
            id="a decimal of more digits that fits",
        ),
        pytest.param(
            [{"name": "gift", "type": ["null", "boolean"]}],
            {"gift": True},
            {"gift": True},
            id="bool",
        ),
    ],
)
def test_a_compatible_schema_is_read(
    fields: list[Any], values: dict[str, Any], expected: dict[str, Any]
) -> None:
    schema = record(*BASE, *fields)
    assert read(schema, encoded(schema, EVENT | values)) == EVENT | NULLS | expected


def test_a_field_is_found_under_its_former_names() -> None:
    for former in ("client", "buyer"):
        schema = record(ID, TIME, {"name": former, "type": "string"}, ITEMS)
        values = {key: value for key, value in EVENT.items() if key != "customer"}
        assert read(schema, encoded(schema, {**values, former: "Ada"}))["customer"] == "Ada"


def test_an_int_is_promoted_and_a_java_string_is_a_string() -> None:
    java = {"type": "string", "avro.java.string": "String"}
    schema = record(
        {**ID, "type": java}, TIME, {**CUSTOMER, "type": java}, {"name": "items", "type": "int"}
    )
    assert read(schema, encoded(schema, EVENT)) == EVENT | NULLS


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ("string", "allowed is a record"),
        (["null", "string"], "allowed is a record"),
        ({"type": "record", "name": "x"}, "not an Avro schema"),
        (record(ID, CUSTOMER, ITEMS), "event_time_ms"),
        (record(ID, {"name": "event_time_ms", "type": "string"}, CUSTOMER, ITEMS), "event_time_ms"),
        (record(*BASE, {"name": "gift", "type": "string"}), "gift: reader union lacking"),
        (record(*BASE, {"name": "weight", "type": "string"}), "weight"),
        (record(ID, TIME, CUSTOMER, {"name": "items", "type": "double"}), "items"),
        (record(ID, TIME, CUSTOMER, {"name": "items", "type": ["null", "string"]}), "items"),
        (
            record(*BASE, {"name": "price", "type": {**CENTS, "scale": 4}}),
            "price: got decimals of scale 4; allowed is decimals of scale 2",
        ),
        (record(*BASE, {"name": "price", "type": "bytes"}), "price: got plain values"),
        (record(*BASE, {"name": "price", "type": "string"}), "price: got plain values"),
        (
            record(ID, TIME, {"name": "customer", "type": CENTS}, ITEMS),
            "customer: got decimals of scale 2",
        ),
        (
            record(
                *BASE, {"name": "due", "type": {"type": "long", "logicalType": "timestamp-micros"}}
            ),
            "due: got values that are timestamp-micros; allowed is plain values",
        ),
        (
            record(
                ID,
                {
                    "name": "event_time_ms",
                    "type": {"type": "long", "logicalType": "timestamp-micros"},
                },
                CUSTOMER,
                ITEMS,
            ),
            "event_time_ms: got values that are timestamp-micros",
        ),
        (
            record(*BASE, {"name": "bomb", "type": {"type": "array", "items": "null"}}),
            "items that take no bytes",
        ),
        (
            record(
                *BASE,
                {"name": "bomb", "type": {"type": "array", "items": record(name="com.shop.Empty")}},
            ),
            "items that take no bytes",
        ),
        (
            record(
                *BASE,
                {
                    "name": "tree",
                    "type": record(
                        {"name": "next", "type": ["null", "com.shop.Tree"]}, name="com.shop.Tree"
                    ),
                },
            ),
            "written out where used",
        ),
    ],
)
def test_an_incompatible_schema_is_refused(schema: Any, message: str) -> None:
    with pytest.raises(UnreadableSchemaError, match=r"schema id 7: ") as caught:
        read(schema, b"")
    assert message in str(caught.value)
    assert caught.value.reason == "incompatible_schema"


def test_types_within_types_are_limited() -> None:
    deep: Any = "string"
    for _ in range(12):
        deep = {"type": "array", "items": deep}
    with pytest.raises(UnreadableSchemaError, match="more than 10 deep"):
        read(record(*BASE, {"name": "deep", "type": deep}), b"")


def test_every_byte_is_consumed() -> None:
    schema = record(*BASE)
    tags = record(*BASE, {"name": "tags", "type": {"type": "array", "items": "string"}})
    for each, more in ((schema, {}), (tags, {"tags": ["a"]})):
        bare = encoded(each, EVENT | more)
        read(each, bare)
        for wrong in (bare + b"\x00", bare[:-1], b""):
            with pytest.raises(UndecodableError):
                read(each, wrong)


def test_a_number_in_more_bytes_than_its_encoding_has_is_refused() -> None:
    schema = record(ITEMS, ID, TIME, CUSTOMER)
    bare = encoded(schema, EVENT)
    assert bare[0] == 6
    with pytest.raises(UndecodableError, match="written in others"):
        read(schema, b"\x86\x00" + bare[1:])


def test_values_are_validated_after_they_are_read() -> None:
    schema = record(ID, TIME, ITEMS)
    values = {key: value for key, value in EVENT.items() if key != "customer"}
    with pytest.raises(InvalidEventError, match="customer: got None"):
        read(schema, encoded(schema, values))


def test_the_registry_is_asked_once_for_what_it_has() -> None:
    schema = record(*BASE)
    registry = Registry(_1=schema, _2="PROTOBUF")
    raw = RawEvents(SOURCE, registry=registry)
    bare = encoded(schema, EVENT)
    for _ in range(3):
        raw.event(with_schema_id(1, bare))
        with pytest.raises(UnreadableSchemaError, match="got PROTOBUF; allowed is a record"):
            raw.event(with_schema_id(2, bare))
        with pytest.raises(UnknownSchemaError, match="got schema id 9"):
            raw.event(with_schema_id(9, bare))
    assert registry.asked == [1, 2, 9, 9, 9]


@pytest.mark.parametrize("value", [b"", b"\x00", b"\x00\x00\x00\x00", b"\x01\x00\x00\x00\x07abc"])
def test_a_record_without_the_framing_is_refused(value: bytes) -> None:
    with pytest.raises(UndecodableError, match="allowed is 00 and the id"):
        RawEvents(SOURCE, registry=Registry()).event(value)


def test_single_objects_of_former_versions_are_read_by_their_fingerprint() -> None:
    source = EventSource(name="orders", fields=SOURCE.fields, lateness=timedelta(minutes=1))
    former = record(ID, TIME, {"name": "client", "type": "string"}, ITEMS, name="samestream.orders")
    values = {key: value for key, value in EVENT.items() if key != "customer"} | {"client": "Ada"}
    header = single_object_header(schema_fingerprint(json.loads(json.dumps(former))))
    single = header + encoded(former, values)

    event = RawEvents(source, versions=[former]).event(single)

    assert LOG.decode(event.content) == EVENT | NULLS | {"customer": "Ada"}
    with pytest.raises(UnknownSchemaError, match=header.hex()):
        RawEvents(source).event(single)
    with pytest.raises(IncompatibleSchemaError, match="items"):
        RawEvents(source, versions=[record(*BASE[:3], {"name": "items", "type": "string"})])
