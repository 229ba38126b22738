"""Records as they come from Kafka and as they go to it."""

from typing import NamedTuple, Protocol


class Record(Protocol):
    """A record that was read; key, value and headers are the bytes on the wire.

    Attributes:
        timestamp: milliseconds since the epoch; when the record was sent, unless its producer set
            another time.
    """

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]


class OutputRecord(NamedTuple):
    """A record to write; without a timestamp it gets the time at which it is sent."""

    topic: str
    partition: int | None
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()
    timestamp_ms: int | None = None
