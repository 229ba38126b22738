"""Child processes with a log file and a pid file, stopped as a whole group."""

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path

from features.errors import SamestreamError
from streaming.local.interrupts import interrupts_deferred
from streaming.local.process_group import MARK, ProcessGroup, stop_groups
from streaming.local.waiting import WaitTimeoutError, wait_until

# Feast names a directory here, when it is imported, that it deletes when this process ends.
_OWN = ("PROMETHEUS_MULTIPROC_DIR", "PROMETHEUS_MULTIPROCESS_DIR")
_LOG_LINES = 8
_LOG_TAIL_BYTES = 8192


class ChildFailedError(SamestreamError, ChildProcessError):
    """A child process ended or was not ready in time; the message ends with its last log lines."""


class ChildProcess:
    """One child in its own session, so that a Ctrl-C at the terminal reaches only the parent.

    The log file is appended to. The pid file names the child for whoever comes after a killed
    parent; `stop` also ends what the child started.
    """

    def __init__(
        self,
        *,
        command: Sequence[str],
        log_path: Path,
        pid_path: Path,
        environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
        inherited_files: Sequence[int] = (),
    ) -> None:
        """Describe the child; nothing is started.

        Args:
            command: Program and arguments, without a shell.
            log_path: Receives standard output and standard error.
            pid_path: `<name>.pid`; the name stands in messages.
            environment: Added to the parent's environment.
            directory: Working directory, the parent's if not given.
            inherited_files: File descriptors of the parent that stay open in the child.
        """
        self.group = ProcessGroup(pid_path)
        self.log_path = log_path
        self._command = list(command)
        self._environment = dict(environment or {})
        self._directory = directory
        self._inherited_files = tuple(inherited_files)
        self._log_start = 0
        self._popen: subprocess.Popen[bytes] | None = None

    @property
    def name(self) -> str:
        """The pid file's name without its suffix."""
        return self.group.name

    @property
    def pid(self) -> int | None:
        """The pid of the child, None before the start."""
        return self._popen.pid if self._popen else None

    @property
    def exit_code(self) -> int | None:
        """The exit code, None before the end; -n after the end by signal n."""
        return self._popen.poll() if self._popen else None

    def start(self) -> None:
        """Start the child.

        Raises:
            ChildFailedError: It already runs, or the program cannot be started.
        """
        if self.group.members():
            message = f"{self.name} already runs, see {self.group.pid_path}; stop it first"
            raise ChildFailedError(message)
        inherited = {name: value for name, value in os.environ.items() if name not in _OWN}
        environment = inherited | self._environment | {MARK: str(self.group.pid_path)}
        try:
            # A child is stopped by its pid file, so there must be no moment without one.
            with self.log_path.open("ab") as log, interrupts_deferred():
                self._log_start = log.tell()
                self._popen = subprocess.Popen(  # noqa: S603 - no shell, our own command
                    self._command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    cwd=self._directory,
                    env=environment,
                    pass_fds=self._inherited_files,
                    start_new_session=True,
                )
                self.group.record(self._popen.pid)
        except OSError as error:
            message = f"cannot start {self.name}: {error}"
            raise ChildFailedError(message) from error

    def alive(self) -> bool:
        """Whether the child itself runs."""
        return self._popen is not None and self._popen.poll() is None

    def wait_ready(self, is_ready: Callable[[], bool], *, timeout: timedelta) -> None:
        """Wait until the child is ready; do not wait for one that has ended.

        Raises:
            ChildFailedError: It ended first, or is not ready within the timeout.
        """
        try:
            wait_until(
                lambda: not self.alive() or is_ready(),
                timeout=timeout,
                what=f"{self.name} to be ready",
            )
        except WaitTimeoutError as error:
            message = f"{error}; {self._explain()}"
            raise ChildFailedError(message) from error
        if not self.alive():
            raise ChildFailedError(self._ended())

    def run_to_end(self, *, timeout: timedelta) -> None:
        """Wait until the child ends by itself with exit code 0.

        Raises:
            ChildFailedError: It ended with another code, or still runs after the timeout.
        """
        try:
            wait_until(lambda: not self.alive(), timeout=timeout, what=f"{self.name} to end")
        except WaitTimeoutError as error:
            message = f"{error}; {self._explain()}"
            raise ChildFailedError(message) from error
        if self.exit_code != 0:
            raise ChildFailedError(self._ended())

    def stop(self, *, timeout: timedelta) -> int | None:
        """Send SIGTERM, after the timeout SIGKILL, and return the exit code, None if not started.

        Stopping twice, or a child that has ended, is allowed; its own children end too.
        """
        stop_groups([self.group], timeout=timeout)
        # Our own child stays a zombie until it is waited for.
        return self._popen.wait() if self._popen else None

    def log_tail(self) -> str:
        """Return the last lines that this start of the child has logged."""
        try:
            with self.log_path.open("rb") as log:
                end = log.seek(0, os.SEEK_END)
                log.seek(max(self._log_start, end - _LOG_TAIL_BYTES))
                lines = log.read().decode(errors="replace").splitlines()
        except OSError:
            return ""
        return "\n".join(lines[-_LOG_LINES:])

    def _ended(self) -> str:
        return f"{self.name} ended with exit code {self.exit_code}; {self._explain()}"

    def _explain(self) -> str:
        return f"the last lines of {self.log_path} are:\n{self.log_tail()}"
