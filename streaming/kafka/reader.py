"""Reading a known range of one partition, once."""

import time
from collections.abc import Iterator

from kafka import TopicPartition

from features.errors import SamestreamError
from streaming.kafka.client import TRANSACTION_TIMEOUT_MS, build_reader
from streaming.kafka.connection import KafkaConnection
from streaming.kafka.record import Record

_POLL_MS = 200
# A transaction whose producer died holds readers back until the broker aborts it.
_STALLED_SECONDS = 2 * TRANSACTION_TIMEOUT_MS / 1000


class ReadTimeoutError(SamestreamError, TimeoutError):
    """A range of a log that did not become readable."""


class RangeReader:
    """Reads committed records of ranges of offsets; one connection for many ranges."""

    def __init__(self, kafka: KafkaConnection) -> None:
        self._consumer = build_reader(kafka)

    def close(self) -> None:
        """Close the connections."""
        self._consumer.close()

    def read(self, topic: str, partition: int, start: int, end: int) -> Iterator[Record]:
        """Yield the committed records with `start <= offset < end`, in order.

        It ends by position, not by the last record: transaction markers and aborted records also
        take up offsets. Below an open transaction it waits.

        Raises:
            ReadTimeoutError: nothing became readable for as long as two transactions may last.
        """
        at = TopicPartition(topic, partition)
        self._consumer.assign([at])
        self._consumer.seek(at, start)
        position = start
        deadline = time.monotonic() + _STALLED_SECONDS
        while position < end:
            for record in self._consumer.poll(_POLL_MS).get(at, ()):
                if record.offset < end:
                    yield record
            moved = self._consumer.position(at)
            if moved > position:
                position = moved
                deadline = time.monotonic() + _STALLED_SECONDS
            elif time.monotonic() > deadline:
                msg = (
                    f"topic {topic!r}, partition {partition}: stopped at offset {position} of "
                    f"{end} for {_STALLED_SECONDS:.0f} s; a transaction may be hanging"
                )
                raise ReadTimeoutError(msg)
