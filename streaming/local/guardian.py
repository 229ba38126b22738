"""The guardian: a small process that stops a stack's processes when the stack's owner dies.

It holds the reading end of a pipe whose writing end only the owner has. The end of the owner, by
whatever signal, closes the pipe; a byte through it releases the guardian instead.
"""

import os
import sys
from datetime import timedelta
from pathlib import Path

from streaming.local.process import ChildProcess
from streaming.local.shutdown import GUARDIAN, stop_recorded
from streaming.local.state import StateDirectory

_ENDED_WITHIN = timedelta(seconds=10)


class Guardian:
    """The owner's side."""

    def __init__(self, state: StateDirectory) -> None:
        """Start guarding what is, and will be, recorded in the state directory."""
        read_end, self._write_end = os.pipe()
        self._process = ChildProcess(
            command=[sys.executable, "-m", __name__, str(state.pids), str(read_end)],
            log_path=state.log_path(GUARDIAN),
            pid_path=state.pid_path(GUARDIAN),
            # `-m` finds this package from here, installed or not.
            directory=Path(__file__).parents[2],
            inherited_files=[read_end],
        )
        try:
            self._process.start()
        finally:
            os.close(read_end)

    def release(self) -> None:
        """Let it end without stopping anything."""
        try:
            os.write(self._write_end, b".")
        except BrokenPipeError:
            pass  # It has been killed; nothing is left to release.
        finally:
            os.close(self._write_end)
        self._process.stop(timeout=_ENDED_WITHIN)


def main(pids: Path, read_end: int) -> None:
    """Wait for the end of the pipe, then stop everything recorded."""
    if not os.read(read_end, 1):
        stop_recorded(pids)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
