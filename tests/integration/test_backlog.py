"""Whether a consumer group has caught up with a log that is written in transactions."""

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta

import pytest
from kafka import KafkaConsumer, TopicPartition
from kafka.structs import OffsetAndMetadata

from streaming.kafka.admin import Admin
from streaming.kafka.backlog import has_caught_up
from streaming.kafka.client import build_producer
from streaming.kafka.reader import RangeReader
from streaming.local.stack import EmbeddedStack
from streaming.local.waiting import wait_until

pytestmark = [pytest.mark.kafka, pytest.mark.valkey]

TOPIC = "backlog"
GROUP = "reader.of.backlog"


@pytest.fixture(scope="module")
def log(stack: EmbeddedStack) -> Iterator[Admin]:
    """Two partitions; in the first one two records, and behind them a transaction marker."""
    with Admin(stack.kafka) as admin:
        admin.create_topics([TOPIC], 2)
        producer = build_producer(stack.kafka, TOPIC)
        producer.init_transactions()
        producer.begin_transaction()
        for value in (b"0", b"1"):
            producer.send(TOPIC, value=value, partition=0)
        producer.flush()
        producer.commit_transaction()
        producer.close()
        # A commit is answered before its markers are written.
        wait_until(
            lambda: admin.end_offsets(TOPIC, "read_committed") == {0: 3, 1: 0},
            timeout=timedelta(seconds=60),
            what="the marker of the transaction",
        )
        yield admin


@pytest.mark.parametrize(
    ("committed", "caught_up"),
    [
        ({}, False),
        ({0: 0, 1: 0}, False),
        ({0: 1, 1: 0}, False),
        ({0: 2, 1: 0}, True),
        ({0: 3, 1: 0}, True),
        ({0: 2}, True),
    ],
)
def test_markers_are_no_backlog(
    stack: EmbeddedStack, log: Admin, committed: dict[int, int], *, caught_up: bool
) -> None:
    group = f"{GROUP}.{committed}"
    consumer = KafkaConsumer(
        bootstrap_servers=stack.bootstrap_servers, group_id=group, enable_auto_commit=False
    )
    consumer.commit(
        {TopicPartition(TOPIC, p): OffsetAndMetadata(at, "", -1) for p, at in committed.items()}
    )
    consumer.close()
    with closing(RangeReader(stack.kafka)) as reader:
        assert has_caught_up(log, reader, group, TOPIC) == caught_up
