"""A recorded child process and its descendants, which no reused pid is mistaken for."""

import contextlib
import json
import os
import signal
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path

from streaming.local.waiting import WaitTimeoutError, wait_until

MARK = "SAMESTREAM_PROCESS"
"""The environment variable of every child: the path of its pid file, inherited by descendants."""

_KILLED_WITHIN = timedelta(seconds=10)


@dataclass(frozen=True, kw_only=True)
class ProcessIdentity:
    """A process, also told apart from an earlier or later one with the same pid."""

    pid: int
    start_ticks: int
    boot_id: str


@dataclass(frozen=True, kw_only=True)
class _Stat:
    is_zombie: bool
    group: int
    start_ticks: int


class ProcessGroup:
    """The processes started under one pid file: the leader and what it started in its group.

    Works from the file alone, so also for processes that an earlier, killed program started.
    """

    def __init__(self, pid_path: Path) -> None:
        """Take the path of the pid file, which need not exist."""
        self.pid_path = pid_path.absolute()

    @property
    def name(self) -> str:
        """The process's name, which is its pid file's."""
        return self.pid_path.stem

    def record(self, pid: int) -> None:
        """Write the pid file for a leader that runs now."""
        stat = _stat(pid)
        identity = ProcessIdentity(
            pid=pid, start_ticks=stat.start_ticks if stat else 0, boot_id=_boot_id()
        )
        temporary = self.pid_path.with_suffix(".new")
        temporary.write_text(json.dumps(asdict(identity)), encoding="utf-8")
        temporary.replace(self.pid_path)

    def recorded(self) -> ProcessIdentity | None:
        """Return what the pid file says, None if there is no readable one."""
        try:
            return ProcessIdentity(**json.loads(self.pid_path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def forget(self) -> None:
        """Remove the pid file."""
        self.pid_path.unlink(missing_ok=True)

    def leader(self) -> ProcessIdentity | None:
        """Return the recorded process if it still runs (a zombie does not)."""
        recorded = self.recorded()
        if recorded is None or recorded.boot_id != _boot_id():
            return None
        stat = _stat(recorded.pid)
        if stat is None or stat.is_zombie or stat.start_ticks != recorded.start_ticks:
            return None
        return recorded

    def members(self) -> list[int]:
        """Return the pids of all running processes of the group, the leader's too."""
        recorded = self.recorded()
        if recorded is None or recorded.boot_id != _boot_id():
            return []
        # A leader killed with -9 leaves its group to its children, under a number that may by
        # now belong to a stranger's group: the inherited mark tells.
        leader_runs = self.leader() is not None
        return [
            pid
            for pid, stat in _processes()
            if stat.group == recorded.pid
            and not stat.is_zombie
            and (leader_runs or self._is_marked(pid))
        ]

    def send(self, signal_number: signal.Signals) -> None:
        """Send a signal to every process of the group; without any, do nothing."""
        if self.members() and (recorded := self.recorded()) is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(recorded.pid, signal_number)

    def _is_marked(self, pid: int) -> bool:
        try:
            environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        except OSError:
            return False
        return f"{MARK}={self.pid_path}".encode() in environment


def stop_groups(groups: Iterable[ProcessGroup], *, timeout: timedelta) -> None:
    """Stop groups together: SIGTERM, SIGKILL to what still runs after the timeout; then forget.

    Raises:
        WaitTimeoutError: A process survived SIGKILL (it hangs inside the kernel).
    """
    groups = list(groups)
    for group in groups:
        group.send(signal.SIGTERM)
    with contextlib.suppress(WaitTimeoutError):
        wait_until(
            lambda: not any(group.members() for group in groups), timeout=timeout, what="SIGTERM"
        )
    for group in groups:
        group.send(signal.SIGKILL)
    for group in groups:
        wait_until(
            lambda group=group: not group.members(),  # type: ignore[misc]
            timeout=_KILLED_WITHIN,
            what=f"the killed process {group.name} to end",
        )
        group.forget()


def resident_bytes(pids: Iterable[int]) -> int:
    """Return the resident memory of processes in bytes; one that has ended counts nothing."""
    pages = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            pages += int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def _stat(pid: int) -> _Stat | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The second field, the program's name, may itself hold spaces and parentheses (proc(5)).
    state, _parent, group, *rest = text.rpartition(")")[2].split()
    return _Stat(is_zombie=state in "ZX", group=int(group), start_ticks=int(rest[16]))


def _processes() -> list[tuple[int, _Stat]]:
    pids = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return [(pid, stat) for pid in pids if (stat := _stat(pid)) is not None]
