"""Records that are not accepted, kept byte for byte with the reason."""

import json

from streaming.kafka.record import OutputRecord, Record

_PREFIX = "__connect.errors."
_DETAIL = "exception.message"
_LONGEST_DETAIL = 1_000


def quarantined(
    record: Record, topic: str, *, stage: str, reason: str, detail: str
) -> OutputRecord:
    """Return the original key, value, headers and timestamp, and headers that tell why.

    The client cannot write a record without key and value, nor a header without a value: there an
    empty value stands in, and the header `__connect.errors.nulls` lists them.
    """
    nulls = [f"header {at}" for at, (_, value) in enumerate(record.headers) if value is None]
    value = record.value
    if value is None and record.key is None:
        value = b""
        nulls.append("value")
    why = {
        "topic": record.topic,
        "partition": str(record.partition),
        "offset": str(record.offset),
        "stage": stage,
        "reason": reason,
        _DETAIL: detail[:_LONGEST_DETAIL],
        **({"nulls": json.dumps(nulls)} if nulls else {}),
    }
    return OutputRecord(
        topic=topic,
        partition=record.partition,
        key=record.key,
        value=value,
        headers=(
            *((name, content or b"") for name, content in record.headers),
            *((_PREFIX + name, text.encode(errors="replace")) for name, text in why.items()),
        ),
        timestamp_ms=record.timestamp,
    )


def reason_of(letter: OutputRecord) -> str:
    """Return the detail that `quarantined` was given."""
    return dict(letter.headers)[_PREFIX + _DETAIL].decode()
