"""Ctrl-C and SIGTERM: what they interrupt, and the steps that they must not tear apart."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def interrupted_once() -> Iterator[None]:
    """Let the first SIGINT or SIGTERM raise KeyboardInterrupt in the block, and no further one.

    So whatever the block does when it is interrupted is done to its end. Call it from the main
    thread.
    """
    interrupted = False

    def interrupt(_signal_number: int, _frame: FrameType | None) -> None:
        nonlocal interrupted
        if not interrupted:
            interrupted = True
            raise KeyboardInterrupt

    with _handled_by(interrupt):
        yield


@contextmanager
def interrupts_deferred() -> Iterator[None]:
    """Hold back SIGINT and SIGTERM to this process until the block has ended.

    Only the main thread runs signal handlers, so elsewhere nothing needs holding back.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    caught: list[int] = []

    def remember(signal_number: int, _frame: FrameType | None) -> None:
        caught.append(signal_number)

    try:
        with _handled_by(remember):
            yield
    finally:
        for signal_number in caught:
            signal.raise_signal(signal_number)


@contextmanager
def _handled_by(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    previous = [(number, signal.signal(number, handler)) for number in _SIGNALS]
    try:
        yield
    finally:
        for number, before in previous:
            signal.signal(number, before)
