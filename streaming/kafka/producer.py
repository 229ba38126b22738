"""How a producer publishes events."""

from collections.abc import Mapping
from typing import Any, Self

from kafka.errors import KafkaError

from features.errors import SamestreamError
from features.source import EVENT_ID, EVENT_TIME_MS, EventSource
from streaming.kafka.client import FLUSH_TIMEOUT_SECONDS, build_producer
from streaming.kafka.connection import KafkaConnection
from streaming.kafka.encoders import event_encoder
from streaming.kafka.registry import SchemaRegistry
from streaming.kafka.topics import raw_topic


class PublishError(SamestreamError, RuntimeError):
    """Events of which the broker did not confirm every one."""


class EventProducer:
    """Publishes the events of one source, keyed by `event_id`, so that duplicates meet.

    Nothing is known to have arrived before `flush` returns. A context manager that flushes and
    closes its connections.

    Args:
        source: whose events these are; they are written in its encoding.
        kafka: the cluster.
        registry: needed if the encoding is Confluent's framing; the caller closes it.
    """

    def __init__(
        self,
        source: EventSource,
        kafka: KafkaConnection,
        registry: SchemaRegistry | None = None,
    ) -> None:
        self._topic = raw_topic(source)
        self._encode = event_encoder(source, registry)
        self._columns = {EVENT_ID, EVENT_TIME_MS, *(field.name for field in source.fields)}
        self._producer = build_producer(kafka)
        self._futures: list[Any] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, error_type: type[BaseException] | None, *error: object) -> None:
        try:
            if error_type is None:
                self.flush()
        finally:
            self.close()

    def send(self, event: Mapping[str, Any]) -> None:
        """Publish an event: `event_id`, `event_time_ms` and the fields of the source by name.

        Whether its values are valid is for intake to say. Memory is held until the next `flush`.
        """
        unknown = event.keys() - self._columns
        if unknown:
            msg = f"event: got {sorted(unknown)}; allowed are {sorted(self._columns)}"
            raise PublishError(msg)
        try:
            value = self._encode(event)
        except (TypeError, ValueError, AttributeError) as error:
            msg = f"event {event.get(EVENT_ID)!r} does not fit the schema of its source: {error}"
            raise PublishError(msg) from error
        key = str(event[EVENT_ID]).encode()
        self._futures.append(self._producer.send(self._topic, key=key, value=value))

    def heartbeat(self, event_time_ms: int, partition: int) -> None:
        """Publish that one partition has no more events before a time; only when replaying."""
        value = self._encode({EVENT_TIME_MS: event_time_ms})
        self._futures.append(self._producer.send(self._topic, value=value, partition=partition))

    def flush(self, timeout_seconds: float = FLUSH_TIMEOUT_SECONDS) -> None:
        """Return when the broker has confirmed everything that was sent.

        Raises:
            PublishError: something was not confirmed in time or was refused.
        """
        futures, self._futures = self._futures, []
        try:
            self._producer.flush(timeout=timeout_seconds)
            for future in futures:
                future.get(timeout=0)
        except KafkaError as error:
            msg = f"{self._topic}: not all of {len(futures)} events were confirmed: {error}"
            raise PublishError(msg) from error

    def close(self) -> None:
        """Close the connections."""
        self._producer.close(timeout=FLUSH_TIMEOUT_SECONDS)
