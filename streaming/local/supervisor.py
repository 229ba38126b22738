"""The supervisor: keeps the samestream processes of one state directory running.

A process of samestream ends itself whenever the outcome of a transaction is unknown; it is safe,
and meant, to be started again with the same arguments.
"""

import json
import signal
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path

from streaming.local.process import ChildProcess
from streaming.local.process_group import stop_groups
from streaming.local.state import StateDirectory

SUPERVISOR = "supervisor"

_POLL_SECONDS = 0.1
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 10.0
_STOPPED_WITHIN = timedelta(seconds=20)


@dataclass(frozen=True, kw_only=True)
class ProcessSpec:
    """One process: `samestream` with these arguments, under this name."""

    name: str
    arguments: Sequence[str]


class SupervisedProcess:
    """A process that is started again when it fails, after a pause that grows."""

    def __init__(self, spec: ProcessSpec, state: StateDirectory) -> None:
        """Describe it; nothing is started."""
        self.child = ChildProcess(
            command=[sys.executable, "-m", "streaming.cli", *spec.arguments],
            log_path=state.log_path(spec.name),
            pid_path=state.pid_path(spec.name),
            environment={"FLINK_LOG_DIR": str(state.logs / spec.name)},
        )
        self.restarts = 0
        self._pause_seconds = _FIRST_PAUSE_SECONDS
        self._start_at: float | None = None

    def start(self) -> None:
        """Start it for the first time."""
        self.child.start()

    def watch(self, now: float) -> None:
        """Look once; start it again when it has failed and the pause is over.

        Args:
            now: monotonic seconds.
        """
        if self._start_at is None:
            if self.child.exit_code in (None, 0):
                return
            self._start_at = now + self._pause_seconds
            self._pause_seconds = min(2 * self._pause_seconds, _LONGEST_PAUSE_SECONDS)
            print(  # noqa: T201 - the supervisor's log is its standard output
                f"{self.child.name} ended with exit code {self.child.exit_code}; "
                f"its last lines are:\n{self.child.log_tail()}",
                flush=True,
            )
        if now >= self._start_at:
            # What the ended process itself started (a JVM) goes first.
            self.child.stop(timeout=timedelta(0))
            self.child.start()
            self.restarts += 1
            self._start_at = None


def start_supervisor(
    state: StateDirectory, specs: Sequence[ProcessSpec], environment: Mapping[str, str]
) -> ChildProcess:
    """Start the supervisor of these processes as a child process.

    Args:
        state: where pids and logs go; the stack over it runs.
        specs: what to keep running, started in this order.
        environment: settings of the processes.
    """
    path = state.config / "processes.json"
    path.write_text(json.dumps([asdict(spec) for spec in specs], indent=2), encoding="utf-8")
    supervisor = ChildProcess(
        command=[sys.executable, "-m", __name__, str(state.root), str(path)],
        log_path=state.log_path(SUPERVISOR),
        pid_path=state.pid_path(SUPERVISOR),
        environment=environment,
    )
    supervisor.start()
    return supervisor


def main(root: Path, path: Path) -> None:
    """Run until SIGTERM, then stop every process."""
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    specs = [ProcessSpec(**spec) for spec in json.loads(path.read_text(encoding="utf-8"))]
    processes = [SupervisedProcess(spec, StateDirectory(root)) for spec in specs]
    try:
        for process in processes:
            process.start()
        while not stopping.wait(_POLL_SECONDS):
            for process in processes:
                process.watch(time.monotonic())
    finally:
        stop_groups([process.child.group for process in processes], timeout=_STOPPED_WITHIN)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
