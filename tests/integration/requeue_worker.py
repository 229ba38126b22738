"""Requeues everything, but dies: SOURCE before|after, at its first commit."""

import os
import signal
import sys

from features.definitions import load_definitions
from streaming.kafka.writer import TransactionalWriter
from streaming.quarantine import requeue
from streaming.quarantine.selection import Selection
from streaming.settings import Settings

_commit = TransactionalWriter.commit


def die_before(writer: TransactionalWriter) -> None:
    writer._producer.flush(30)  # noqa: SLF001 - what it sent is in the log, in an open transaction
    os.kill(os.getpid(), signal.SIGKILL)


def die_after(writer: TransactionalWriter) -> None:
    _commit(writer)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    _, source, step = sys.argv
    TransactionalWriter.commit = {"before": die_before, "after": die_after}[step]  # type: ignore[method-assign]
    requeue._LETTERS_PER_TRANSACTION = 1 if step == "after" else 1_000  # noqa: SLF001
    settings = Settings()
    definitions = load_definitions(settings.definitions)
    requeue.requeue(settings, definitions.source(source), Selection(), dry_run=False)
