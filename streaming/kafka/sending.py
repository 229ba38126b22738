"""Writing the records of one transaction, and knowing that each of them was written."""

from collections.abc import Sequence

from kafka import KafkaProducer
from kafka.errors import BrokerResponseError, KafkaError
from kafka.producer.future import FutureRecordMetadata

from features.errors import SamestreamError
from streaming.kafka.client import FLUSH_TIMEOUT_SECONDS
from streaming.kafka.record import OutputRecord


class OutputError(SamestreamError, RuntimeError):
    """A record that was not written.

    Attributes:
        retriable: whether another try may succeed.
    """

    def __init__(self, what: str, error: KafkaError) -> None:
        super().__init__(f"{what} not written: {error!r}")
        self.retriable: bool = error.retriable


def send_all(
    producer: KafkaProducer,
    outputs: Sequence[OutputRecord],
    *,
    timeout_seconds: float = FLUSH_TIMEOUT_SECONDS,
) -> None:
    """Send the records, in the transaction if one is open; return when each is confirmed.

    Raises:
        OutputError: one was refused or not confirmed in time; nothing may be committed.
    """
    sent: list[tuple[OutputRecord, FutureRecordMetadata]] = []
    try:
        for output in outputs:
            future = producer.send(
                output.topic,
                partition=output.partition,
                key=output.key,
                value=output.value,
                headers=list(output.headers),
                timestamp_ms=output.timestamp_ms,
            )
            sent.append((output, future))
        producer.flush(timeout=timeout_seconds)
        for _, future in sent:
            # A commit may succeed although a record was lost; only its future tells.
            future.get(timeout=0)
    except KafkaError as error:
        raise _cause(outputs, sent, error) from error


def _cause(
    outputs: Sequence[OutputRecord],
    sent: Sequence[tuple[OutputRecord, FutureRecordMetadata]],
    error: KafkaError,
) -> OutputError:
    """Return what went wrong first: one refused record makes every other call fail as well."""
    failed = [(output, future.exception) for output, future in sent if future.failed()]
    refused = [one for one in failed if isinstance(one[1], BrokerResponseError)]
    for output, reason in refused or failed:
        return OutputError(_name(output), reason)
    if len(sent) < len(outputs):
        return OutputError(_name(outputs[len(sent)]), error)
    return OutputError(f"{len(outputs)} records were", error)


def _name(output: OutputRecord) -> str:
    size = len(output.key or b"") + len(output.value or b"")
    return f"topic {output.topic!r}, partition {output.partition}: a record of {size} bytes was"
