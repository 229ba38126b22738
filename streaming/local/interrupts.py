"""Steps that a Ctrl-C must not tear apart."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


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

    previous = [(number, signal.signal(number, remember)) for number in _SIGNALS]
    try:
        yield
    finally:
        for number, handler in previous:
            signal.signal(number, handler)
        for signal_number in caught:
            signal.raise_signal(signal_number)
