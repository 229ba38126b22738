"""The one place that configures Kafka clients.

Timeouts are ordered request < delivery < flush < transaction < watchdog, so that the innermost
one that can still be handled fires first, and the process ends before its work can be in doubt.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.errors import KafkaConnectionError, KafkaTimeoutError
from kafka.net.manager import KafkaConnectionManager

from features.errors import SamestreamError
from streaming.kafka.connection import KafkaConnection
from streaming.kafka.python_options import python_options

REQUEST_TIMEOUT_MS = 15_000
DELIVERY_TIMEOUT_MS = 30_000
FLUSH_TIMEOUT_SECONDS = 35.0
TRANSACTION_TIMEOUT_MS = 45_000
WATCHDOG_SECONDS = 60.0
MAX_POLL_INTERVAL_MS = 300_000

# Intake writes a raw record of the largest size again, with headers that tell why.
MAX_RAW_RECORD_BYTES = 1_048_588
MAX_RECORD_BYTES = 2 * MAX_RAW_RECORD_BYTES

_BATCH_BYTES = 256 * 1024
_LINGER_MS = 5
# A transaction that follows another at once is refused until that one is complete, which takes
# the broker some milliseconds. The client's default, 100 ms, would come on top of every one.
_RETRY_BACKOFF_MS = 10

# One step of the online store takes this many rows; more would hold its other clients up.
_FOLLOWER_POLL_RECORDS = 4_000
_FOLLOWER_PARTITION_BYTES = 512 * 1024

# At debug level they tell their settings and every byte that is sent, so also passwords and tokens.
_TELLING = ("kafka.admin.client", "kafka.net.connection", "kafka.protocol.parser")

_Client = TypeVar("_Client")


class KafkaUnreachableError(SamestreamError, ConnectionError):
    """No broker could be connected to in time; the message ends with the last reason."""


def build_admin(kafka: KafkaConnection, timeout_ms: int = REQUEST_TIMEOUT_MS) -> KafkaAdminClient:
    """Return a connected admin client; connecting and each request may take `timeout_ms`."""
    return _build(
        KafkaAdminClient,
        kafka,
        {"bootstrap_timeout_ms": timeout_ms, "request_timeout_ms": timeout_ms},
    )


def build_reader(kafka: KafkaConnection) -> KafkaConsumer:
    """Return a consumer without a group that sees committed records only."""
    return _build(KafkaConsumer, kafka, _READING)


def build_group_consumer(
    kafka: KafkaConnection, group: str, instance: str, max_poll_records: int
) -> KafkaConsumer:
    """Return a static member of a group that commits its offsets in transactions only.

    A static member that restarts takes its partitions back at once and fences its former self.
    """
    return _build(
        KafkaConsumer,
        kafka,
        _READING
        | {
            "group_id": group,
            "group_instance_id": instance,
            "session_timeout_ms": 10_000,
            "heartbeat_interval_ms": 3_000,
            "max_poll_interval_ms": MAX_POLL_INTERVAL_MS,
            "max_poll_records": max_poll_records,
            "partition_assignment_strategy": (RangePartitionAssignor,),
        },
    )


def build_follower(kafka: KafkaConnection) -> KafkaConsumer:
    """Return a consumer without a group for topics whose writer needs no transactions.

    A position outside the log is an error. It is fast over history, and at the end of the log the
    broker answers as soon as there is a record.
    """
    return _build(
        KafkaConsumer,
        kafka,
        _READING
        | {
            "isolation_level": "read_uncommitted",
            "auto_offset_reset": "none",
            "max_poll_records": _FOLLOWER_POLL_RECORDS,
            "max_partition_fetch_bytes": _FOLLOWER_PARTITION_BYTES,
        },
    )


def build_producer(
    kafka: KafkaConnection, transactional_id: str | None = None, *, linger_ms: int = _LINGER_MS
) -> KafkaProducer:
    """Return an idempotent producer; with an id it is transactional."""
    return _build(
        KafkaProducer,
        kafka,
        {
            "transactional_id": transactional_id,
            "enable_idempotence": True,
            "acks": "all",
            "request_timeout_ms": REQUEST_TIMEOUT_MS,
            "delivery_timeout_ms": DELIVERY_TIMEOUT_MS,
            "transaction_timeout_ms": TRANSACTION_TIMEOUT_MS,
            "max_block_ms": TRANSACTION_TIMEOUT_MS,
            "max_request_size": MAX_RECORD_BYTES,
            "batch_size": _BATCH_BYTES,
            "linger_ms": linger_ms,
            "retry_backoff_ms": _RETRY_BACKOFF_MS,
            "allow_auto_create_topics": False,
            "metrics_enabled": False,
        },
    )


_READING: dict[str, object] = {
    "isolation_level": "read_committed",
    "auto_offset_reset": "earliest",
    "enable_auto_commit": False,
    "request_timeout_ms": REQUEST_TIMEOUT_MS,
    "allow_auto_create_topics": False,
    "metrics_enabled": False,
}


def _build(
    client: Callable[..., _Client], kafka: KafkaConnection, options: Mapping[str, object]
) -> _Client:
    """Return a connected client.

    Raises:
        KafkaUnreachableError: No broker let it in within the time for bootstrapping.
    """
    if kafka.security.uses_sasl:
        for name in _TELLING:
            logging.getLogger(name).addFilter(_is_above_debug)
    with _last_failure() as failure:
        try:
            return client(
                bootstrap_servers=kafka.servers, **python_options(kafka.security), **options
            )
        except KafkaTimeoutError as error:
            msg = (
                f"Kafka {kafka.bootstrap_servers}, {kafka.security.protocol}: cannot connect: "
                f"{failure.reason or error}"
            )
            if kafka.security.uses_sasl and isinstance(failure.reason, KafkaConnectionError | None):
                # The client loses an answer after which the broker hangs up.
                msg += "; a broker also hangs up on a wrong user name or password"
            raise KafkaUnreachableError(msg) from error


def _is_above_debug(record: logging.LogRecord) -> bool:
    return record.levelno > logging.DEBUG


class _LastFailure(logging.Handler):
    """Why connecting failed: the client tries until its time is up, and tells only its log."""

    reason: Exception | None = None

    def emit(self, record: logging.LogRecord) -> None:
        for argument in record.args if isinstance(record.args, tuple) else ():
            # The last one only says that the time is up.
            if isinstance(argument, Exception) and not isinstance(argument, KafkaTimeoutError):
                self.reason = argument


@contextmanager
def _last_failure() -> Iterator[_LastFailure]:
    log = logging.getLogger(KafkaConnectionManager.__module__)
    failure = _LastFailure(logging.WARNING)
    log.addHandler(failure)
    try:
        yield failure
    finally:
        log.removeHandler(failure)
