"""Values of every type through Flink: it writes the bytes that intake wrote, and exact Parquet."""

import io
import struct
from contextlib import closing
from datetime import timedelta
from decimal import Decimal as Number
from pathlib import Path
from typing import Any

import fastavro
import pyarrow.parquet as pq
import pytest
from flink_streams import write_bytes

from feature_repo.offline import arrow_type
from features.fields import (
    INT64_MAX,
    INT64_MIN,
    Bool,
    Decimal,
    Field,
    Float64,
    Int64,
    String,
    TimestampMs,
)
from features.instant import EPOCH
from features.source import EventSource
from streaming.flink.ddl import scan_tables
from streaming.flink.environment import create_environment
from streaming.flink.horizon import capture_end_offsets
from streaming.flink.sql import columns, options, sql_type
from streaming.flink.tables import enter_table
from streaming.intake.codec import EventCodec
from streaming.kafka.admin import Admin
from streaming.kafka.avro import AvroCodec
from streaming.kafka.reader import RangeReader
from streaming.kafka.schemas import event_schema
from streaming.kafka.topics import validated_topic
from streaming.local.stack import EmbeddedStack
from streaming.settings import Settings

pytestmark = [pytest.mark.kafka, pytest.mark.flink]

NINES = 10**38 - 1
SOURCE = EventSource(
    name="flink_values",
    fields=(
        Field(name="whole", type=Decimal(precision=38), nullable=True),
        Field(name="middle", type=Decimal(precision=38, scale=19), nullable=True),
        Field(name="small", type=Decimal(precision=38, scale=38), nullable=True),
        Field(name="short", type=Decimal(precision=5, scale=2), nullable=True),
        Field(name="long", type=Int64(), nullable=True),
        Field(name="double", type=Float64(), nullable=True),
        Field(name="flag", type=Bool(), nullable=True),
        Field(name="at", type=TimestampMs(), nullable=True),
        Field(name="text", type=String(), nullable=True),
    ),
    lateness=timedelta(minutes=1),
    earliest=EPOCH,
)
NAMES = ["event_id", "event_time_ms", *(field.name for field in SOURCE.fields)]
CODEC = EventCodec(SOURCE)
COPY = "flink_values.copy"

# Numbers whose bytes end where a sign bit has or has not its place, and the largest.
UNITS = [sign * (2**bits + more) for bits in (0, 7, 8, 15, 63, 64) for more in (-1, 0, 1)
         for sign in (-1, 1)] + [NINES, -NINES]  # fmt: skip
LONGS = [INT64_MAX, INT64_MIN, 2**53 + 1, 0]
DOUBLES = [5e-324, 1.7976931348623157e308, 0.0, 0.1, -1 / 3]
TEXTS = ["", "\x00", "a\x00b", "\x01", "e\u0301", "\u00e9", "\U0001f6eb\u200d", "\uffff", "\n\"'"]


def of_scale(units: int, scale: int, precision: int = 38) -> Number:
    """Return the units, cut to as many digits as the precision has."""
    fitting = units if abs(units) < 10**precision else units % 10**precision
    return Decimal(precision=precision, scale=scale).from_units(fitting)


def events() -> list[dict[str, Any]]:
    nulls = dict.fromkeys(NAMES)
    full = [
        {
            "whole": of_scale(units, 0),
            "middle": of_scale(units, 19),
            "small": of_scale(units, 38),
            "short": of_scale(units, 2, 5),
            "long": LONGS[at % len(LONGS)],
            "double": DOUBLES[at % len(DOUBLES)],
            "flag": at % 2 == 0,
            "at": at,
            "text": TEXTS[at % len(TEXTS)],
        }
        for at, units in enumerate(UNITS)
    ]
    return [
        nulls | event | {"event_id": f"{at:03}", "event_time_ms": at}
        for at, event in enumerate([*full, {}])
    ]


def otherwise_encoded(event: dict[str, Any]) -> bytes:
    """Encode as fastavro alone does: -128 takes two bytes."""
    out = io.BytesIO()
    fastavro.schemaless_writer(out, event_schema(SOURCE), event)
    return out.getvalue()


def bits(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"double": row["double"] is not None and struct.pack("<d", row["double"])}


def test_flink_changes_no_value(stack: EmbeddedStack, tmp_path: Path) -> None:
    settings = Settings(
        state_dir=stack.state.root, bootstrap_servers=stack.bootstrap_servers, flink_heap_mb=512
    )
    with Admin(stack.kafka) as admin:
        admin.create_topics([validated_topic(SOURCE), COPY], 1)
    last = events()[-1] | {"whole": Number(-128)}
    sent = [*events(), last]
    written = [CODEC.from_values(event).content for event in sent]
    odd = otherwise_encoded(last)
    write_bytes(stack.kafka, SOURCE, 0, [*written[:-1], odd])
    ends = capture_end_offsets(stack.kafka, [SOURCE])[SOURCE.name]
    environment = create_environment(
        settings, {"restart-strategy.type": "none"}, log_dir=tmp_path / "logs"
    )
    for statement in scan_tables(SOURCE, (), kafka=stack.kafka, parallelism=1, end_offsets=ends):
        environment.execute_sql(statement)
    types = ", ".join(f"`{field.name}` {sql_type(field.type)}" for field in SOURCE.fields)
    sinks = {
        "copy": {
            "connector": "kafka",
            "topic": COPY,
            "properties.bootstrap.servers": stack.bootstrap_servers,
            "format": "avro",
        },
        "files": {
            "connector": "filesystem",
            "path": (tmp_path / "files").as_uri(),
            "format": "parquet",
        },
    }
    inserts = environment.create_statement_set()
    for name, values in sinks.items():
        environment.execute_sql(
            f"CREATE TEMPORARY TABLE `{name}` "
            f"(`event_id` STRING, `event_time_ms` BIGINT NOT NULL, {types}) {options(values)}"
        )
        table = enter_table(SOURCE)
        select = f"SELECT {columns(NAMES)} FROM `{table}`"
        inserts.add_insert_sql(f"INSERT INTO `{name}` {select}")
    inserts.execute().wait()

    with closing(RangeReader(stack.kafka)) as reader:
        copied = [record.value for record in reader.read(COPY, 0, 0, len(written))]
    assert copied == written
    assert copied[-1] != odd
    avro = AvroCodec(event_schema(SOURCE))
    assert [bits(avro.decode(value or b"")) for value in copied] == [bits(event) for event in sent]
    (part,) = (tmp_path / "files").glob("part-*")
    table = pq.ParquetFile(str(part)).read()
    assert [bits(row) for row in table.to_pylist()] == [bits(event) for event in sent]
    for field in SOURCE.fields:
        assert table.schema.field(field.name).type == arrow_type(field.type)
