"""Intake in a process that is forked from one which has imported everything, and its faults."""

import multiprocessing
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from signal import SIGKILL, Signals
from typing import Any, Literal

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer

import streaming.intake.restored as restored_module
import streaming.kafka.loop as loop_module
from streaming.intake.process import run_intake
from streaming.settings import Settings
from tests.integration.intake_worker import intake_definitions, intake_source

Step = Literal["before send", "after send", "after offsets", "during commit"]
RETRY_BACKOFF_MS = 5
STEPS: tuple[Step, ...] = ("before send", "after send", "after offsets", "during commit")


@dataclass(frozen=True, kw_only=True)
class Fatal:
    """What a process does to itself in the course of one transaction.

    Attributes:
        step: where in the transaction.
        transaction: which one, from 1.
        delay_seconds: how long after `commit_transaction` was entered, for that step.
        flushed: whether the records are flushed, for the step "after send".
        signal: SIGKILL, or SIGSTOP to become a zombie.
    """

    step: Step
    transaction: int
    delay_seconds: float = 0.0
    flushed: bool = True
    signal: Signals = SIGKILL


def _context() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


@dataclass(frozen=True, kw_only=True)
class Intake:
    """How to run the intake of a test source.

    Attributes:
        settings: where Kafka is, and whose clock it is.
        source: its name.
        instance: name in the group.
        batch_records: how many records a transaction takes at most.
        clock_ahead_ms: how far the clock of the process is ahead of that of the machine.
        fatal: what it does to itself.
        defect: a fault of the loop that a test has to notice.
    """

    settings: Settings
    source: str
    instance: str = "0"
    batch_records: int = 2_000
    clock_ahead_ms: int = 0
    fatal: Fatal | None = None
    defect: str | None = None

    def start(self) -> BaseProcess:
        """Start it in a process of its own."""
        process = _context().Process(target=self._run, daemon=True)
        process.start()
        return process

    def _run(self) -> None:
        # Small transactions.
        loop_module.ExactlyOnceLoop.__init__.__kwdefaults__["batch_records"] = self.batch_records
        for client in (KafkaAdminClient, KafkaConsumer, KafkaProducer):
            # Most of a start is waiting to ask again for topics and coordinators.
            client.DEFAULT_CONFIG["retry_backoff_ms"] = RETRY_BACKOFF_MS
        if self.defect is not None:
            _DEFECTS[self.defect]()
        if self.fatal is not None:
            _Armed(self.fatal)
        run_intake(
            self.settings,
            intake_definitions(intake_source(self.source)),
            self.source,
            self.instance,
            now_ms=lambda: time.time_ns() // 1_000_000 + self.clock_ahead_ms,
        )


class _Armed:
    """Strikes at one step of the transactions of every producer of this process."""

    def __init__(self, fatal: Fatal) -> None:
        self._fatal = fatal
        self._begun = 0
        for name, wrapper in {
            "begin_transaction": self._begin,
            "flush": self._flush,
            "send_offsets_to_transaction": self._send_offsets,
            "commit_transaction": self._commit,
        }.items():
            setattr(KafkaProducer, name, _wrapped(getattr(KafkaProducer, name), wrapper))

    def _now(self, step: Step) -> bool:
        return self._fatal.step == step and self._begun == self._fatal.transaction

    def _strike(self) -> None:
        os.kill(os.getpid(), self._fatal.signal)

    def _strike_soon(self) -> None:
        time.sleep(self._fatal.delay_seconds)
        self._strike()

    def _begin(self, call: Callable[[], None]) -> None:
        self._begun += 1
        call()
        if self._now("before send"):
            self._strike()

    def _flush(self, call: Callable[[], None]) -> None:
        if self._now("after send") and not self._fatal.flushed:
            self._strike()
        call()
        if self._now("after send"):
            self._strike()

    def _send_offsets(self, call: Callable[[], None]) -> None:
        call()
        if self._now("after offsets"):
            self._strike()

    def _commit(self, call: Callable[[], None]) -> None:
        if self._now("during commit"):
            threading.Thread(target=self._strike_soon, daemon=True).start()
        call()


def _wrapped(
    method: Callable[..., None], wrapper: Callable[[Callable[[], None]], None]
) -> Callable[..., None]:
    def call(*args: Any, **more: Any) -> None:
        wrapper(lambda: method(*args, **more))

    return call


def _forget_the_tail() -> None:
    restored_module.recent_events = lambda *_: []  # type: ignore[assignment]


def _commit_offsets_outside() -> None:
    """Commit the offsets by themselves, before the transaction."""
    consumers = []
    build = loop_module.build_group_consumer

    def build_known(*args: Any) -> Any:
        consumers.append(build(*args))
        return consumers[0]

    def commit_outside(_producer: object, offsets: Any, _member: object) -> None:
        consumers[0].commit(offsets)

    loop_module.build_group_consumer = build_known
    KafkaProducer.send_offsets_to_transaction = commit_outside


def _hide_the_membership() -> None:
    """Send offsets as a client does that does not say of which member they are."""
    send_offsets = KafkaProducer.send_offsets_to_transaction

    def send_bare(producer: Any, offsets: Any, member: Any) -> None:
        send_offsets(producer, offsets, member.group_id)

    KafkaProducer.send_offsets_to_transaction = send_bare


_DEFECTS: dict[str, Callable[[], None]] = {
    "state not restored": _forget_the_tail,
    "offsets outside of the transaction": _commit_offsets_outside,
    "offsets without membership": _hide_the_membership,
}
