"""The check for the one encoding of a record, against encoding it again."""

import io
from typing import Any

import fastavro
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streaming.kafka.canonical import canonical_check

TYPES = ["long", "string", "double", "boolean"]
SCHEMA: dict[str, Any] = {
    "type": "record",
    "name": "r",
    "fields": [
        {"name": "time", "type": "long"},
        *({"name": f"{kind}_or_null", "type": ["null", kind]} for kind in TYPES),
        *({"name": kind, "type": kind} for kind in TYPES),
    ],
}
PARSED = fastavro.parse_schema(SCHEMA)
CHECK = canonical_check(SCHEMA)
INT64 = st.integers(-(2**63), 2**63 - 1)
VALUES = {"long": INT64, "string": st.text(), "double": st.floats(allow_nan=False),
          "boolean": st.booleans()}  # fmt: skip
RECORDS = st.fixed_dictionaries(
    {
        "time": INT64,
        **{f"{kind}_or_null": st.none() | values for kind, values in VALUES.items()},
        **VALUES,
    }
)


def encoded(record: Any) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, PARSED, record)
    return out.getvalue()


def is_encoded_again(bare: bytes) -> bool:
    """Say it the slow way."""
    try:
        return encoded(fastavro.schemaless_reader(io.BytesIO(bare), PARSED, None)) == bare
    except Exception:  # noqa: BLE001 - arbitrary bytes
        return False


def readable(bare: bytes) -> bool:
    try:
        fastavro.schemaless_reader(io.BytesIO(bare), PARSED, None)
    except Exception:  # noqa: BLE001 - arbitrary bytes
        return False
    return True


@given(RECORDS)
@example(dict.fromkeys(("time", "long", "long_or_null"), -(2**63))
         | {"string": "x" * 64, "string_or_null": "x" * 10_000, "double": 0.0,
            "double_or_null": None, "boolean": True, "boolean_or_null": False})  # fmt: skip
def test_what_a_writer_writes_is_canonical(record: dict[str, Any]) -> None:
    assert CHECK is not None
    bare = encoded(record)
    assert CHECK(bare)
    for wrong in (bare + b"\0", bare[:-1]):
        assert not CHECK(wrong)


CHANGES = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 255)), min_size=1, max_size=3)


@given(RECORDS, CHANGES, st.sampled_from(["change", "insert", "delete"]))
def test_it_agrees_with_encoding_again(
    record: dict[str, Any], changes: list[tuple[int, int]], kind: str
) -> None:
    assert CHECK is not None
    bare = bytearray(encoded(record))
    for place, byte in changes:
        at = place % (len(bare) or 1)
        if kind == "insert":
            bare.insert(at, byte)
        elif kind == "delete":
            del bare[at : at + 1]
        elif bare:
            bare[at] = byte
    if readable(bytes(bare)):
        assert CHECK(bytes(bare)) == is_encoded_again(bytes(bare))


@pytest.mark.parametrize(
    ("kind", "bare", "expected"),
    [
        ("long", "00", True),
        ("long", "8000", False),
        ("long", "8001", True),
        ("long", "ffffffffffffffffff01", True),
        ("long", "ffffffffffffffffff02", False),
        ("long", "ffffffffffffffffffff01", False),
        ("long", "", False),
        ("string", "0261", True),
        ("string", "820061", False),
        ("string", "01", False),
        ("string", "0461", False),
        ("string", "8001" + "61" * 64, True),
        ("string", "ffffffffffff01", False),
        ("boolean", "01", True),
        ("boolean", "02", False),
        ("double", "0000000000000000", True),
        ("double", "00000000000000", False),
    ],
)
def test_by_hand(kind: str, bare: str, expected: bool) -> None:  # noqa: FBT001
    for avro_type, before in ((kind, ""), (["null", kind], "02")):
        check = canonical_check({"fields": [{"name": "x", "type": avro_type}]})
        assert check is not None
        assert check(bytes.fromhex(before + bare)) is expected
    for branch in ("01", "03", "04", "8200"):
        nullable = canonical_check({"fields": [{"name": "x", "type": ["null", kind]}]})
        assert nullable is not None
        assert not nullable(bytes.fromhex(branch + bare))


@pytest.mark.parametrize(
    "avro_type",
    ["int", "bytes", {"type": "array", "items": "long"}, ["long", "null"], ["null", "long", "int"],
     ["null", {"type": "bytes", "logicalType": "decimal", "precision": 2}]],
)  # fmt: skip
def test_other_types_are_not_judged(avro_type: Any) -> None:
    assert canonical_check({"fields": [{"name": "x", "type": avro_type}]}) is None
