"""Resident memory of everything that the demonstration runs."""

import os
import threading
from collections.abc import Mapping

from streaming.local.process_group import resident_bytes
from streaming.local.stack import EmbeddedStack

_EVERY_SECONDS = 1.0
_GIB = 1024**3


class MemoryWatch:
    """Samples the resident memory of this process and of all recorded ones, once a second."""

    def __init__(self, stack: EmbeddedStack) -> None:
        """Watch the processes of a stack; a context manager."""
        self._stack = stack
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
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
            self.at_peak = max(self.at_peak, used, key=lambda parts: sum(parts.values()))


def peak_text(at_peak: Mapping[str, int]) -> str:
    """Return the line that tells the memory of each process when all together had the most.

    Args:
        at_peak: resident bytes by name of the process.
    """
    parts = sorted(at_peak.items(), key=lambda part: -part[1])
    shown = ", ".join(f"{name} {used / _GIB:.2f}" for name, used in parts if used)
    return f"Resident memory at its peak: {sum(at_peak.values()) / _GIB:.2f} GiB ({shown})"
