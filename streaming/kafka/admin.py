"""Topics and offsets: what has to be created, and what must not have changed since."""

import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, Self, cast

from kafka import TopicPartition
from kafka.admin import MemberToRemove, OffsetSpec
from kafka.errors import KafkaError, RetriableError, TopicAlreadyExistsError
from kafka.protocol.consumer import IsolationLevel
from kafka.structs import OffsetAndMetadata

from features.errors import SamestreamError
from features.source import EventSource
from streaming.kafka.client import (
    MAX_RAW_RECORD_BYTES,
    MAX_RECORD_BYTES,
    REQUEST_TIMEOUT_MS,
    KafkaUnreachableError,
    build_admin,
)
from streaming.kafka.connection import KafkaConnection
from streaming.kafka.topics import dead_topic, late_topic, raw_topic, validated_topic

Isolation = Literal["read_committed", "read_uncommitted"]

_RETRY_SECONDS = 0.1

_ISOLATION = {
    "read_committed": IsolationLevel.READ_COMMITTED,
    "read_uncommitted": IsolationLevel.READ_UNCOMMITTED,
}

_ANSWER_TIMEOUT_MS = 5_000

# The log is the only truth: nothing in it is ever deleted or compacted.
_KEPT = {"retention.ms": "-1", "retention.bytes": "-1", "cleanup.policy": "delete"}
_LOG = {**_KEPT, "max.message.bytes": str(MAX_RECORD_BYTES)}
# Stored uncompressed, so that the broker limits the size that intake has to write again.
_RAW = {
    **_KEPT,
    "max.message.bytes": str(MAX_RAW_RECORD_BYTES),
    "compression.type": "uncompressed",
}


class TopicError(SamestreamError, ValueError):
    """A topic that is missing, or is not the log that it was when it was created."""


@dataclass(frozen=True, kw_only=True)
class Committed:
    """What a consumer group has committed for one partition.

    Attributes:
        offset: next offset to read.
        metadata: text that was committed together with the offset.
    """

    offset: int
    metadata: str


class Admin:
    """Administration of one Kafka cluster; a context manager that closes its connections."""

    def __init__(self, kafka: KafkaConnection) -> None:
        self._client = build_admin(kafka)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def create_topics(self, topics: Iterable[str], partitions: int) -> None:
        """Create the topics that do not exist yet; an existing one is checked, never changed."""
        self._create(dict.fromkeys(topics, _LOG), partitions)

    def create_source_topics(self, source: EventSource, partitions: int) -> None:
        """Create the raw, validated, late and dead topic of a source."""
        self._create(
            {
                raw_topic(source): _RAW,
                validated_topic(source): _LOG,
                late_topic(source): _LOG,
                dead_topic(source): _LOG,
            },
            partitions,
        )

    def _create(self, configs: Mapping[str, Mapping[str, str]], partitions: int) -> None:
        for topic, config in configs.items():
            wanted = {topic: {"num_partitions": partitions, "configs": config}}
            try:
                self._client.create_topics(wanted, wait_for_metadata=True)
            except TopicAlreadyExistsError:
                self.check_partitions([topic], partitions)

    def partitions(self, topics: Collection[str]) -> dict[str, list[int]]:
        """Return the partitions of topics; a missing topic is a `TopicError`."""
        found = {
            described["name"]: sorted(part["partition_index"] for part in described["partitions"])
            for described in self._client.describe_topics(list(topics))
        }
        for topic in topics:
            if not found.get(topic):
                msg = f"topic {topic!r} does not exist; create it before starting"
                raise TopicError(msg)
        return found

    def check_partitions(self, topics: Collection[str], partitions: int) -> None:
        """Refuse a topic with another number of partitions."""
        for topic, found in self.partitions(topics).items():
            if len(found) != partitions:
                msg = (
                    f"topic {topic!r}: got {len(found)} partitions, allowed is {partitions}: the "
                    "count is fixed for the life of a log; another count is a new log, by re-import"
                )
                raise TopicError(msg)

    def check_log(self, topics: Collection[str], partitions: int) -> None:
        """Refuse a topic with another number of partitions or without its oldest records."""
        self.check_partitions(topics, partitions)
        for topic in topics:
            for partition, start in self._offsets(topic, OffsetSpec.EARLIEST).items():
                if start != 0:
                    msg = (
                        f"topic {topic!r}, partition {partition}: the log starts at offset "
                        f"{start}, allowed is 0: records were deleted, so nothing that is computed "
                        "from the log can be proven any more"
                    )
                    raise TopicError(msg)

    def end_offsets(self, topic: str, isolation: Isolation) -> dict[int, int]:
        """Return the offset after the newest record of every partition.

        Args:
            topic: name of the topic.
            isolation: `read_committed` gives the last stable offset: everything below it is
                committed or aborted. `read_uncommitted` gives the high watermark, which also
                counts records of open transactions.
        """
        return self._offsets(topic, OffsetSpec.LATEST, isolation)

    def _offsets(
        self, topic: str, spec: OffsetSpec, isolation: Isolation = "read_uncommitted"
    ) -> dict[int, int]:
        wanted = {TopicPartition(topic, p): spec for p in self.partitions([topic])[topic]}
        found = self._client.list_partition_offsets(wanted, isolation_level=_ISOLATION[isolation])
        return {at.partition: offset.offset for at, offset in found.items()}

    def committed(self, group: str, topic: str) -> dict[int, Committed]:
        """Return what a group has committed, by partition; nothing for an unknown group."""
        found = self._group_offsets(group)
        return {
            at.partition: Committed(offset=state.offset, metadata=state.metadata)
            for at, state in found.items()
            if at.topic == topic and state.offset >= 0
        }

    def _group_offsets(self, group: str) -> Mapping[TopicPartition, OffsetAndMetadata]:
        """Return all offsets of a group; a new cluster first has to make its offsets topic."""
        deadline = time.monotonic() + REQUEST_TIMEOUT_MS / 1000
        while True:
            try:
                found = self._client.list_group_offsets({group: None})
            except RetriableError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(_RETRY_SECONDS)
            else:
                return cast("Mapping[TopicPartition, OffsetAndMetadata]", found[group])

    def leave_group(self, group: str, instance: str) -> None:
        """Give up the partitions of a static member, which does not leave by closing."""
        self._client.remove_group_members(group, [MemberToRemove(group_instance_id=instance)])


def is_answering(kafka: KafkaConnection) -> bool:
    """Whether a broker answers an admin call within seconds."""
    try:
        admin = build_admin(kafka, timeout_ms=_ANSWER_TIMEOUT_MS)
    except (KafkaUnreachableError, KafkaError):
        return False
    try:
        return bool(admin.describe_cluster()["brokers"])
    except KafkaError:
        return False
    finally:
        admin.close()
