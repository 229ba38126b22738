"""Records that are not accepted, kept byte for byte with the reason: written and read back."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from features.errors import SamestreamError
from streaming.kafka.record import OutputRecord, Record

_PREFIX = "__connect.errors."
_TOPIC = "topic"
_DETAIL = "exception.message"
_NULLS = "nulls"
_LONGEST_DETAIL = 1_000


class NotALetterError(SamestreamError, ValueError):
    """A record of a quarantine topic that does not say why it is there."""


class LetterId(NamedTuple):
    """Where a letter is in its quarantine topic; written `partition:offset`."""

    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.partition}:{self.offset}"


@dataclass(kw_only=True, slots=True)
class OriginalRecord:
    """A record as it was before it was quarantined."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Letter:
    """A record of a quarantine topic: what was refused, and why."""

    id: LetterId
    original: OriginalRecord
    stage: str
    reason: str
    detail: str


def quarantined(
    record: Record, topic: str, *, stage: str, reason: str, detail: str
) -> OutputRecord:
    """Return the original key, value, headers and timestamp, and headers that tell why.

    The client cannot write a record without key and value, nor a header without a value: there an
    empty value stands in, and the header `__connect.errors.nulls` lists them.
    """
    nulls = [_null_header(at) for at, (_, value) in enumerate(record.headers) if value is None]
    value = record.value
    if value is None and record.key is None:
        value = b""
        nulls.append("value")
    why = {
        _TOPIC: record.topic,
        "partition": str(record.partition),
        "offset": str(record.offset),
        "stage": stage,
        "reason": reason,
        _DETAIL: detail[:_LONGEST_DETAIL],
        **({_NULLS: json.dumps(nulls)} if nulls else {}),
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


def read_letter(record: Record) -> Letter:
    """Return what `quarantined` was given.

    Headers that the original had under the same names stay its own: the last ones are ours.

    Raises:
        NotALetterError: the headers that tell why are not there.
    """
    names = [name for name, _ in record.headers]
    if _PREFIX + _TOPIC not in names:
        msg = (
            f"topic {record.topic!r}, partition {record.partition}, offset {record.offset}: got a "
            f"record with the headers {names}; allowed are those with {_PREFIX}*"
        )
        raise NotALetterError(msg)
    start = len(names) - 1 - names[::-1].index(_PREFIX + _TOPIC)
    why = _texts(record.headers[start:])
    nulls = json.loads(why.get(_NULLS, "[]"))
    return Letter(
        id=LetterId(record.partition, record.offset),
        original=OriginalRecord(
            topic=why[_TOPIC],
            partition=int(why["partition"]),
            offset=int(why["offset"]),
            timestamp=record.timestamp,
            key=record.key,
            value=None if "value" in nulls else record.value,
            headers=[
                (name, None if _null_header(at) in nulls else content)
                for at, (name, content) in enumerate(record.headers[:start])
            ],
        ),
        stage=why["stage"],
        reason=why["reason"],
        detail=why[_DETAIL],
    )


def reason_of(letter: OutputRecord) -> str:
    """Return the detail that `quarantined` was given."""
    return _texts(letter.headers)[_DETAIL]


def word_of(letter: OutputRecord) -> str:
    """Return the reason that `quarantined` was given."""
    return _texts(letter.headers)["reason"]


def _texts(headers: Sequence[tuple[str, bytes | None]]) -> dict[str, str]:
    return {
        name.removeprefix(_PREFIX): (content or b"").decode()
        for name, content in headers
        if name.startswith(_PREFIX)
    }


def _null_header(at: int) -> str:
    return f"header {at}"
