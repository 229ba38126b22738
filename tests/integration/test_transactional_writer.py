"""Writing in transactions: all of it or nothing, by one writer at a time."""

import threading
import uuid
from collections.abc import Callable

import pytest
from kafka import KafkaProducer

from streaming.kafka import writer as writer_module
from streaming.kafka.admin import Admin
from streaming.kafka.reader import RangeReader
from streaming.kafka.record import OutputRecord
from streaming.kafka.writer import TransactionalWriter, WriteError
from streaming.local.stack import EmbeddedStack

pytestmark = pytest.mark.kafka


@pytest.fixture
def topic(stack: EmbeddedStack) -> str:
    name = f"writer_{uuid.uuid4().hex[:8]}"
    with Admin(stack.kafka) as admin:
        admin.create_topics([name], 1)
    return name


@pytest.fixture
def committed(stack: EmbeddedStack, topic: str) -> Callable[[], list[bytes | None]]:
    def values() -> list[bytes | None]:
        with Admin(stack.kafka) as admin:
            end = admin.end_offsets(topic, "read_committed")[0]
        reader = RangeReader(stack.kafka)
        try:
            return [record.value for record in reader.read(topic, 0, 0, end)]
        finally:
            reader.close()

    return values


def test_only_what_is_committed_is_seen(
    stack: EmbeddedStack, topic: str, committed: Callable[[], list[bytes | None]]
) -> None:
    with (  # noqa: PT012 - the error has to come from within
        pytest.raises(ZeroDivisionError),
        TransactionalWriter(stack.kafka, topic) as writer,
    ):
        writer.write(OutputRecord(topic, 0, b"k", b"1"))
        assert writer.pending == 1
        writer.commit()
        assert writer.pending == 0
        writer.commit()
        writer.write(OutputRecord(topic, 0, b"k", b"2"))
        raise ZeroDivisionError
    assert committed() == [b"1"]


def test_a_new_writer_fences_the_former_one(
    stack: EmbeddedStack, topic: str, committed: Callable[[], list[bytes | None]]
) -> None:
    with TransactionalWriter(stack.kafka, topic) as former:
        former.write(OutputRecord(topic, 0, b"k", b"former"))
        writer = TransactionalWriter(stack.kafka, topic)
        with pytest.raises(WriteError, match="1 records"):
            former.commit()
        with writer:
            writer.write(OutputRecord(topic, 0, b"k", b"new"))
            writer.commit()
    assert committed() == [b"new"]


def test_a_commit_without_an_answer_ends_in_an_error(
    stack: EmbeddedStack, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = threading.Event()
    monkeypatch.setattr(writer_module, "WATCHDOG_SECONDS", 0.2)
    monkeypatch.setattr(KafkaProducer, "commit_transaction", lambda _: answer.wait())
    with TransactionalWriter(stack.kafka, topic) as writer:
        writer.write(OutputRecord(topic, 0, b"k", b"v"))
        with pytest.raises(WriteError, match="no answer of the broker"):
            writer.commit()
    answer.set()
