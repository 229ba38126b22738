"""The one place that configures Kafka clients.

Timeouts are ordered request < delivery < flush < transaction < watchdog, so that the innermost
one that can still be handled fires first, and the process ends before its work can be in doubt.
"""

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.coordinator.assignors.range import RangePartitionAssignor

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

# One step of the online store takes this many rows; more would hold its other clients up.
_FOLLOWER_POLL_RECORDS = 4_000
_FOLLOWER_PARTITION_BYTES = 512 * 1024


def build_admin(bootstrap_servers: str, timeout_ms: int = REQUEST_TIMEOUT_MS) -> KafkaAdminClient:
    """Return a connected admin client; connecting and each request may take `timeout_ms`."""
    return KafkaAdminClient(
        bootstrap_servers=_servers(bootstrap_servers),
        bootstrap_timeout_ms=timeout_ms,
        request_timeout_ms=timeout_ms,
    )


def build_reader(bootstrap_servers: str) -> KafkaConsumer:
    """Return a consumer without a group that sees committed records only."""
    return KafkaConsumer(**_reading(bootstrap_servers))


def build_group_consumer(
    bootstrap_servers: str, group: str, instance: str, max_poll_records: int
) -> KafkaConsumer:
    """Return a static member of a group that commits its offsets in transactions only.

    A static member that restarts takes its partitions back at once and fences its former self.
    """
    return KafkaConsumer(
        **_reading(bootstrap_servers),
        group_id=group,
        group_instance_id=instance,
        session_timeout_ms=10_000,
        heartbeat_interval_ms=3_000,
        max_poll_interval_ms=MAX_POLL_INTERVAL_MS,
        max_poll_records=max_poll_records,
        partition_assignment_strategy=(RangePartitionAssignor,),
    )


def build_follower(bootstrap_servers: str) -> KafkaConsumer:
    """Return a consumer without a group for topics whose writer needs no transactions.

    A position outside the log is an error. It is fast over history, and at the end of the log the
    broker answers as soon as there is a record.
    """
    return KafkaConsumer(
        **_reading(bootstrap_servers)
        | {"isolation_level": "read_uncommitted", "auto_offset_reset": "none"},
        max_poll_records=_FOLLOWER_POLL_RECORDS,
        max_partition_fetch_bytes=_FOLLOWER_PARTITION_BYTES,
    )


def build_producer(
    bootstrap_servers: str, transactional_id: str | None = None, *, linger_ms: int = _LINGER_MS
) -> KafkaProducer:
    """Return an idempotent producer; with an id it is transactional."""
    return KafkaProducer(
        bootstrap_servers=_servers(bootstrap_servers),
        transactional_id=transactional_id,
        enable_idempotence=True,
        acks="all",
        request_timeout_ms=REQUEST_TIMEOUT_MS,
        delivery_timeout_ms=DELIVERY_TIMEOUT_MS,
        transaction_timeout_ms=TRANSACTION_TIMEOUT_MS,
        max_block_ms=TRANSACTION_TIMEOUT_MS,
        max_request_size=MAX_RECORD_BYTES,
        batch_size=_BATCH_BYTES,
        linger_ms=linger_ms,
        allow_auto_create_topics=False,
        metrics_enabled=False,
    )


def _reading(bootstrap_servers: str) -> dict[str, object]:
    return {
        "bootstrap_servers": _servers(bootstrap_servers),
        "isolation_level": "read_committed",
        "auto_offset_reset": "earliest",
        "enable_auto_commit": False,
        "request_timeout_ms": REQUEST_TIMEOUT_MS,
        "allow_auto_create_topics": False,
        "metrics_enabled": False,
    }


def _servers(bootstrap_servers: str) -> list[str]:
    return [server.strip() for server in bootstrap_servers.split(",")]
