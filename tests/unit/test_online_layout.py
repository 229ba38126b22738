"""The keys and values of the online store are those of Feast, byte for byte."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal as Number
from typing import Any

import pytest
from feast.infra.online_stores.helpers import _mmh3, _redis_key
from feast.infra.online_stores.redis import Timestamp
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.type_map import feast_value_type_to_python_type, python_values_to_proto_values

from feature_repo.feast_types import STORED_TYPES
from feature_repo.online_layout import ProjectLayout, ViewLayout, encode_timestamp
from features.aggregation import Count, Last, Mean
from features.entity import Entity
from features.fields import (
    Bool,
    Decimal,
    Field,
    FieldType,
    Float64,
    Int64,
    String,
    TimestampMs,
)
from features.source import EventSource
from features.view import FeatureView
from features.window import SlidingWindow

SOURCE = EventSource(
    name="taps",
    fields=(
        Field(name="stop", type=String()),
        Field(name="line", type=Int64()),
        Field(name="fare", type=Int64(minimum=-9, maximum=9)),
        Field(name="paid", type=Bool()),
    ),
    lateness=timedelta(seconds=1),
    max_clock_skew=timedelta(milliseconds=500),
)
VIEW = FeatureView(
    name="stop_line",
    source=SOURCE,
    entity=Entity(name="stop_line", join_keys=("stop", "line")),
    window=SlidingWindow(size=timedelta(minutes=1), slide=timedelta(seconds=10)),
    aggregations=(Count(), Mean("fare"), Last("stop"), Last("paid"), Last("event_time")),
)
LAYOUT = ViewLayout(ProjectLayout("city"), VIEW)


@pytest.mark.parametrize("keys", [("a", 1), ("Zürich", -(2**63)), ("", 0)])
def test_an_entity_has_feasts_key(keys: tuple[Any, ...]) -> None:
    message = EntityKey(
        join_keys=["stop", "line"],
        entity_values=[Value(string_val=keys[0]), Value(int64_val=keys[1])],
    )

    assert LAYOUT.hash_key(keys) == _redis_key("city", message, entity_key_serialization_version=3)


def test_rings_of_other_definitions_and_projects_are_elsewhere() -> None:
    other = ViewLayout(ProjectLayout("village"), VIEW)

    assert LAYOUT.ring_key(("a", 1)) != other.ring_key(("a", 1))
    assert LAYOUT.id.encode() in LAYOUT.ring_key(("a", 1))


@pytest.mark.parametrize("epoch_ms", [0, 1, 999, 1_000, 127_000, 128_000, 1_385_000_000_123])
def test_a_timestamp_is_protobufs(epoch_ms: int) -> None:
    message = Timestamp()
    message.FromDatetime(datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=epoch_ms))

    assert encode_timestamp(epoch_ms) == message.SerializeToString()


def test_values_are_feasts_and_null_is_empty() -> None:
    row = {
        "window_end_ms": 10_000,
        "stop_line_count": 0,
        "stop_line_fare_mean": None,
        "stop_line_stop_last": "é",
        "stop_line_paid_last": False,
        "stop_line_event_time_last": 9_999,
    }

    values = dict(zip(LAYOUT.hash_fields, LAYOUT.hash_values(row), strict=True))

    assert values == {
        "_ts:stop_line": encode_timestamp(11_000),
        _mmh3("stop_line:stop_line_count"): Value(int64_val=0).SerializeToString(),
        _mmh3("stop_line:stop_line_fare_mean"): b"",
        _mmh3("stop_line:stop_line_stop_last"): Value(string_val="é").SerializeToString(),
        _mmh3("stop_line:stop_line_paid_last"): Value(bool_val=False).SerializeToString(),
        _mmh3("stop_line:stop_line_event_time_last"): Value(int64_val=9_999).SerializeToString(),
    }
    assert Value(int64_val=0).SerializeToString() != b""


@pytest.mark.parametrize(
    ("field_type", "value"),
    [
        (Int64(), 2**63 - 1),
        (Int64(), -(2**63)),
        (TimestampMs(), 0),
        (Float64(), 5e-324),
        (Float64(), -0.0),
        (Bool(), False),
        (String(), "\x00e\u0301\U0001f6eb"),
        (Decimal(precision=38), Number("9" * 38)),
        (Decimal(precision=38, scale=38), Number("-0." + "0" * 37 + "1")),
        (Decimal(precision=9, scale=2), Number("1.50")),
    ],
)
def test_a_value_of_any_type_is_what_feast_writes_and_reads(
    field_type: FieldType, value: Any
) -> None:
    stored = STORED_TYPES[type(field_type)]
    message = stored.message(value)

    assert [message] == python_values_to_proto_values([value], stored.feast.to_value_type())
    restored = feast_value_type_to_python_type(message)
    assert type(restored) is type(value)
    assert (restored, str(restored)) == (value, str(value))
