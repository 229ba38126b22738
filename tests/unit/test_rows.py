"""Fast decoding of records that our own jobs wrote."""

import pytest

from streaming.kafka.avro import AvroCodec
from streaming.kafka.framing import UndecodableError
from streaming.kafka.rows import RowDecoder
from streaming.kafka.schemas import progress_schema

RECORDS = [
    {"view": "a", "fingerprint": "é", "window_end_ms": 10**12, "row_count": 0},
    {"view": "", "fingerprint": "f", "window_end_ms": -1, "row_count": 2**40},
]


def encoded() -> list[bytes]:
    codec = AvroCodec(progress_schema())
    return [codec.encode(record) for record in RECORDS]


def test_records_come_back_in_order() -> None:
    assert RowDecoder(progress_schema()).decode(encoded()) == RECORDS
    assert RowDecoder(progress_schema()).decode([]) == []


@pytest.mark.parametrize("broken", [b"", b"\x00", encoded()[1] + b"\x00", encoded()[1][:-1]])
@pytest.mark.parametrize("position", [0, 1])
def test_a_record_of_another_length_is_refused(broken: bytes, position: int) -> None:
    values = encoded()
    values[position] = broken

    with pytest.raises(UndecodableError, match=f"record {position} of 2"):
        RowDecoder(progress_schema()).decode(values)
