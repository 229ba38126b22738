"""Consume, process, produce: exactly once, by Kafka transactions.

    poll -> process -> begin -> send all -> flush -> check every future -> send offsets -> commit
                       |<------ abort, discard, seek back ------>|<---- exit, never abort ---->|

An error on the left is undone and tried again once; then the process ends, as a record that cannot
be written is never skipped. From the call that sends the offsets on, the broker may have committed
whatever the client believes, so the process ends; its supervisor starts it again, and it continues
from the offsets that really are committed.
"""

import faulthandler
import logging
import os
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn, Protocol

from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.subscription_state import ConsumerRebalanceListener
from kafka.structs import ConsumerGroupMetadata, OffsetAndMetadata

from streaming.kafka.admin import Admin
from streaming.kafka.client import (
    FLUSH_TIMEOUT_SECONDS,
    WATCHDOG_SECONDS,
    build_group_consumer,
    build_producer,
)
from streaming.kafka.connection import KafkaConnection
from streaming.kafka.instance import member_name
from streaming.kafka.record import OutputRecord, Record
from streaming.kafka.sending import OutputError, send_all
from streaming.tuning import tune_interpreter

EXIT_UNKNOWN_OUTCOME = 70

_POLL_MS = 100

_log = logging.getLogger(__name__)


class Processor(Protocol):
    """What is done with the records; it changes state only in a way that `aborted` can undo."""

    def assigned(self, committed: dict[int, str | None]) -> None:
        """Forget all state and restore that of the partitions now owned.

        Called while they are paused, with the metadata that was committed for each of them (None
        without a commit), and with nothing when they are taken away.
        """

    def before_transaction(self, batch: Sequence[Record]) -> None:
        """Wait for whatever the batch needs; no transaction is open yet."""

    def process(self, batch: Sequence[Record]) -> list[OutputRecord]:
        """Return what to write for a batch, which is in order within each partition."""

    def tick(self, positions: dict[int, int]) -> list[OutputRecord]:
        """Return what is due by time; called after every poll, also without records.

        Every record below its partition's position has been processed, at the latest in the
        transaction that writes what is returned here.
        """

    def metadata(self, partition: int) -> str:
        """Return the text to commit with the offset of a partition."""

    def committed(self) -> None:
        """Make staged changes of the state permanent."""

    def aborted(self) -> None:
        """Discard staged changes of the state; the batch comes again."""


class _Assignment(ConsumerRebalanceListener):  # type: ignore[misc]
    """The partitions owned now; callbacks run on the client's own thread."""

    def __init__(self, consumer: KafkaConsumer) -> None:
        self._consumer = consumer
        self.current: tuple[int, frozenset[TopicPartition]] = (0, frozenset())

    def on_partitions_revoked(self, revoked: object) -> None:
        del revoked
        self.current = (self.current[0] + 1, frozenset())

    def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        self._consumer.pause(*assigned)
        self.current = (self.current[0] + 1, frozenset(assigned))


class ExactlyOnceLoop:
    """One static member of a consumer group; a process runs one loop at most.

    Args:
        kafka: the cluster.
        topic: what is consumed.
        group: consumer group that the offsets belong to.
        instance: stable name of this instance within the group.
        processor: what is done with the records.
        start_offsets: where a partition without a committed offset begins; 0 if not given.
        batch_records: how many records a transaction takes at most.
    """

    def __init__(
        self,
        *,
        kafka: KafkaConnection,
        topic: str,
        group: str,
        instance: str,
        processor: Processor,
        start_offsets: Mapping[int, int] | None = None,
        batch_records: int = 2_000,
    ) -> None:
        self._kafka = kafka
        self._topic = topic
        self._group = group
        self._instance = member_name(group, instance)
        self._processor = processor
        self._start_offsets = dict(start_offsets or {})
        self._producer = build_producer(kafka, self._instance)
        self._consumer = build_group_consumer(kafka, group, self._instance, batch_records)
        self._assignment = _Assignment(self._consumer)
        self._owned: frozenset[TopicPartition] = frozenset()
        self._seen_assignment = 0
        self._aborted = False

    def run(self, stop: threading.Event) -> None:
        """Run until `stop` is set, finish the batch at hand, then leave the group.

        Raises:
            OutputError: a record cannot be written; the offsets have not moved.
            TopicError: a topic to write to does not exist; the same holds.
        """
        with _watchdog():
            # Aborts what a former self left open, before anything is read.
            self._producer.init_transactions()
        tune_interpreter()
        self._consumer.subscribe([self._topic], listener=self._assignment)
        # A leader that learns of the partitions after its first join has to join again, and the
        # client forgets such a join when its poll ends while it is under way.
        self._consumer.partitions_for_topic(self._topic)
        while not stop.is_set():
            polled = self._consumer.poll(timeout_ms=_POLL_MS)
            if self._assignment.current[0] != self._seen_assignment:
                self._take_over()
            else:
                batch = [record for records in polled.values() for record in records]
                self._step(batch, stop)
        self._consumer.close()
        self._producer.close(timeout=FLUSH_TIMEOUT_SECONDS)
        with Admin(self._kafka) as admin:
            admin.leave_group(self._group, self._instance)

    def _take_over(self) -> None:
        self._seen_assignment, self._owned = self._assignment.current
        # A transaction of the former owner that is still being committed makes this wait.
        committed = {at: self._consumer.committed(at, metadata=True) for at in self._owned}
        self._processor.assigned(
            {at.partition: found.metadata if found else None for at, found in committed.items()}
        )
        for at, found in committed.items():
            start = self._start_offsets.get(at.partition, 0)
            self._consumer.seek(at, found.offset if found else start)
        self._consumer.resume(*self._owned)
        _log.info("%s owns partitions %s", self._instance, sorted(p.partition for p in self._owned))

    def _step(self, batch: list[Record], stop: threading.Event) -> None:
        # The membership under which the batch was read: a later one must not vouch for it.
        member = self._consumer.group_metadata()
        if member.generation_id < 0:
            # Evicted; the next poll joins again and the partitions come back restored.
            return
        if batch:
            self._processor.before_transaction(batch)
            if stop.is_set():
                # The wait was cut short; without a commit the batch comes again.
                return
        outputs = self._processor.process(batch) if batch else []
        outputs += self._processor.tick(
            {at.partition: self._consumer.position(at) for at in self._owned}
        )
        if not batch and not outputs:
            return
        if self._aborted:
            with Admin(self._kafka) as admin:
                admin.partitions({output.topic for output in outputs})
        with _watchdog():
            self._producer.begin_transaction()
            try:
                send_all(self._producer, outputs)
            except OutputError as error:
                self._undo(batch, error)
                return
            self._commit(member)
        self._processor.committed()
        self._aborted = False

    def _commit(self, member: ConsumerGroupMetadata) -> None:
        try:
            offsets = {
                at: OffsetAndMetadata(
                    self._consumer.position(at), self._processor.metadata(at.partition), -1
                )
                for at in self._owned
            }
            self._producer.send_offsets_to_transaction(offsets, member)
            self._producer.commit_transaction()
        except BaseException as error:  # noqa: BLE001 - whatever it was, the outcome is unknown
            _exit_now(f"{self._instance}: outcome of a commit is unknown: {error!r}")

    def _undo(self, batch: list[Record], error: OutputError) -> None:
        self._producer.abort_transaction()
        self._processor.aborted()
        if self._aborted or not error.retriable:
            raise error
        self._aborted = True
        _log.warning("%s: transaction is aborted and tried again: %s", self._instance, error)
        first: dict[int, int] = {}
        for record in batch:
            first.setdefault(record.partition, record.offset)
        for partition, offset in first.items():
            self._consumer.seek(TopicPartition(self._topic, partition), offset)


def stop_on_signal() -> threading.Event:
    """Return an event that SIGTERM and SIGINT set; call it from the main thread."""
    stop = threading.Event()

    def request_stop(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, request_stop)
    return stop


@contextmanager
def _watchdog() -> Iterator[None]:
    """End the process with a traceback of every thread when the block hangs.

    Commit and abort have no timeout of their own.
    """
    faulthandler.dump_traceback_later(WATCHDOG_SECONDS, exit=True)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


def _exit_now(reason: str) -> NoReturn:
    """End the process without the clean-up that would abort the transaction."""
    _log.critical("%s; the process ends here", reason)
    logging.shutdown()
    os._exit(EXIT_UNKNOWN_OUTCOME)
