"""Writing many records in transactions, without consuming any."""

import logging
import threading
from collections.abc import Callable
from typing import Any, Self

from kafka.errors import KafkaError

from features.errors import SamestreamError
from streaming.kafka.client import FLUSH_TIMEOUT_SECONDS, WATCHDOG_SECONDS, build_producer
from streaming.kafka.connection import KafkaConnection
from streaming.kafka.record import OutputRecord

# Nobody waits for a single record: full batches cost the client a third less.
_LINGER_MS = 200

_log = logging.getLogger(__name__)


class WriteError(SamestreamError, RuntimeError):
    """A transaction that the broker did not confirm."""


class TransactionalWriter:
    """Writes records, in order within each partition; `commit` makes them visible.

    Its start fences a former writer of the same id and aborts what it left open. A context manager
    that aborts what is not committed when it is left by an error.
    """

    def __init__(self, kafka: KafkaConnection, transactional_id: str) -> None:
        self._id = transactional_id
        self._producer = build_producer(kafka, transactional_id, linger_ms=_LINGER_MS)
        self._futures: list[Any] = []
        self._is_open = False
        try:
            self._producer.init_transactions()
        except KafkaError as error:
            self._producer.close(timeout=0)
            msg = f"{transactional_id}: the broker did not let it start: {error!r}"
            raise WriteError(msg) from error

    @property
    def pending(self) -> int:
        """Number of records that are not committed yet."""
        return len(self._futures)

    def write(self, record: OutputRecord) -> None:
        """Send a record in the transaction at hand, or in a new one."""
        if not self._is_open:
            self._producer.begin_transaction()
            self._is_open = True
        future = self._producer.send(
            record.topic,
            partition=record.partition,
            key=record.key,
            value=record.value,
            headers=list(record.headers),
            timestamp_ms=record.timestamp_ms,
        )
        self._futures.append(future)

    def commit(self) -> None:
        """Return when everything written so far is committed.

        Raises:
            WriteError: a record was not confirmed in time or was refused, or the broker did not
                answer.
        """
        if not self._is_open:
            return
        try:
            self._producer.flush(timeout=FLUSH_TIMEOUT_SECONDS)
            for future in self._futures:
                # A commit may succeed although a record was lost; only its future tells.
                future.get(timeout=0)
            # From here on the outcome is the broker's: never abort.
            self._is_open = False
            self._within_limit(self._producer.commit_transaction)
        except KafkaError as error:
            msg = f"{self._id}: not all of {self.pending} records were confirmed: {error!r}"
            raise WriteError(msg) from error
        self._futures.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        try:
            if self._is_open:
                self._within_limit(self._producer.abort_transaction)
        except KafkaError as failure:
            # Nobody sees it: the next writer of the id aborts it, or the broker after a while.
            _log.warning("%s: a transaction is left open: %r", self._id, failure)
        finally:
            self._producer.close(timeout=FLUSH_TIMEOUT_SECONDS)

    def _within_limit(self, end_transaction: Callable[[], None]) -> None:
        """Call commit or abort, which have no timeout of their own."""
        errors: list[KafkaError] = []

        def call() -> None:
            try:
                end_transaction()
            except KafkaError as error:
                errors.append(error)

        thread = threading.Thread(target=call, name=f"{self._id} transaction", daemon=True)
        thread.start()
        thread.join(WATCHDOG_SECONDS)
        if thread.is_alive():
            msg = (
                f"{self._id}: no answer of the broker within {WATCHDOG_SECONDS:.0f} s; whether "
                f"{self.pending} records were committed is unknown"
            )
            raise WriteError(msg)
        for error in errors:
            raise error
