"""A loop that copies topic IN to topic OUT, with one fault: BOOTSTRAP IN OUT INSTANCE FAULT."""

import sys
import threading
from collections.abc import Sequence
from typing import Any

from kafka.errors import KafkaTimeoutError
from kafka.producer.future import FutureRecordMetadata

from streaming.kafka import loop as loop_module
from streaming.kafka.connection import KafkaConnection
from streaming.kafka.loop import ExactlyOnceLoop, stop_on_signal
from streaming.kafka.record import OutputRecord, Record


class Copier:
    """Numbers the records of each partition, in state that an abort takes back."""

    def __init__(self, output_topic: str) -> None:
        self._output_topic = output_topic
        self._numbers: dict[int, int] = {}
        self._staged: dict[int, int] = {}
        self.aborts = 0

    def assigned(self, committed: dict[int, str | None]) -> None:
        self._numbers = {partition: int(text or 0) for partition, text in committed.items()}
        self._staged = dict(self._numbers)

    def before_transaction(self, batch: Sequence[Record]) -> None:
        pass

    def process(self, batch: Sequence[Record]) -> list[OutputRecord]:
        outputs = []
        for record in batch:
            self._staged[record.partition] += 1
            value = b"%d %s" % (self._staged[record.partition], record.value)
            outputs.append(OutputRecord(self._output_topic, record.partition, None, value))
        return outputs

    def tick(self, positions: dict[int, int]) -> list[OutputRecord]:
        del positions
        return []

    def metadata(self, partition: int) -> str:
        return str(self._staged[partition])

    def committed(self) -> None:
        self._numbers = dict(self._staged)

    def aborted(self) -> None:
        self._staged = dict(self._numbers)
        self.aborts += 1


class Faulty:
    """A producer that fails once, at the third transaction."""

    def __init__(self, producer: Any, fault: str) -> None:
        self._producer = producer
        self._fault = fault
        self._begun = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._producer, name)

    def _now(self, *faults: str) -> bool:
        return self._fault in faults and self._begun == 3

    def begin_transaction(self) -> None:
        self._begun += 1
        self._producer.begin_transaction()

    def send(self, topic: str, **more: Any) -> Any:
        if self._now("lost record", "lost record unchecked"):
            self._begun += 100
            future = FutureRecordMetadata(_Never(), 0, 0, None, 0, 0, 0)
            future.failure(KafkaTimeoutError("lost"))
            return future
        return self._producer.send(topic, **more)

    def flush(self, timeout: float) -> None:
        self._producer.flush(timeout=timeout)
        if self._now("flush"):
            raise KafkaTimeoutError

    def commit_transaction(self) -> None:
        if self._now("hang"):
            threading.Event().wait()
        if self._now("before commit"):
            raise KafkaTimeoutError
        self._producer.commit_transaction()
        if self._now("after commit"):
            raise KafkaTimeoutError


class _Never:
    def _add_cb_eb(self, *callbacks: Any) -> None:
        pass


def main(bootstrap: str, input_topic: str, output_topic: str, instance: str, fault: str) -> None:
    stop = stop_on_signal()
    loop_module.WATCHDOG_SECONDS = 3.0
    if fault == "lost record unchecked":
        FutureRecordMetadata.get = lambda _self, **_: None
    copier = Copier(output_topic)
    loop = ExactlyOnceLoop(
        kafka=KafkaConnection(bootstrap_servers=bootstrap),
        topic=input_topic,
        group=f"copy.{input_topic}",
        instance=instance,
        processor=copier,
        # Many small transactions.
        batch_records=100,
    )
    if fault != "none":
        loop._producer = Faulty(loop._producer, fault)  # noqa: SLF001
    loop.run(stop)
    sys.stdout.write(f"aborts {copier.aborts}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
