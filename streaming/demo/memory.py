"""Resident memory of everything that the demonstration runs."""

import os
import threading

from streaming.local.process_group import resident_bytes
from streaming.local.stack import EmbeddedStack

_EVERY_SECONDS = 1.0


class MemoryWatch:
    """Samples the resident memory of this process and of all recorded ones, once a second."""

    def __init__(self, stack: EmbeddedStack) -> None:
        """Watch the processes of a stack; a context manager."""
        self._stack = stack
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.peak_bytes = 0
        self.at_peak: dict[str, int] = {}

    def __enter__(self) -> "MemoryWatch":
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        """End."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(_EVERY_SECONDS):
            used = {process.name: process.resident_bytes for process in self._stack.status()}
            used["demo"] = resident_bytes([os.getpid()])
            total = sum(used.values())
            if total > self.peak_bytes:
                self.peak_bytes, self.at_peak = total, used
