"""Writing records one batch after the other, each confirmed, without transactions."""

from collections.abc import Sequence

from kafka import KafkaProducer

from streaming.kafka.client import build_producer
from streaming.kafka.connection import KafkaConnection
from streaming.kafka.record import OutputRecord
from streaming.kafka.sending import OutputError, send_all


class ConfirmedWriter:
    """Writes batches; connects when it has to, again after a failure.

    Args:
        kafka: the cluster.
        timeout_seconds: how long the broker has to confirm a batch.
    """

    def __init__(self, kafka: KafkaConnection, *, timeout_seconds: float) -> None:
        self._kafka = kafka
        self._timeout_seconds = timeout_seconds
        self._producer: KafkaProducer | None = None

    def write(self, records: Sequence[OutputRecord]) -> None:
        """Return when the broker has confirmed each record.

        Raises:
            OutputError: it has not; some of the records may have been written.
            KafkaUnreachableError: it cannot be connected to.
        """
        if self._producer is None:
            self._producer = build_producer(self._kafka, linger_ms=0)
        try:
            send_all(self._producer, records, timeout_seconds=self._timeout_seconds)
        except OutputError:
            # What it still holds would be sent later, and it may be in no state to go on.
            self.close()
            raise

    def close(self) -> None:
        """Close the connections; what is not confirmed is given up."""
        if self._producer is not None:
            self._producer.close(timeout=0)
            self._producer = None
