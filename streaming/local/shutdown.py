"""Stopping everything that is recorded in a state directory, whoever started it."""

from datetime import timedelta
from pathlib import Path

from streaming.local.process_group import ProcessGroup, stop_groups
from streaming.local.supervisor import SUPERVISOR

GUARDIAN = "guardian"
SERVERS = ("kafka", "valkey")

_STOPPED_WITHIN = timedelta(seconds=20)


def recorded_groups(pids: Path) -> list[ProcessGroup]:
    """Return the groups of all pid files, also of ended processes, except the guardian's."""
    return [ProcessGroup(path) for path in sorted(pids.glob("*.pid")) if path.stem != GUARDIAN]


def stop_recorded(pids: Path) -> None:
    """Stop every recorded process: supervisor, applications, and last the servers they talk to.

    The supervisor goes first because it would start the others again.

    Raises:
        WaitTimeoutError: A process survived SIGKILL.
    """
    groups = recorded_groups(pids)
    for together in (
        [group for group in groups if group.name == SUPERVISOR],
        [group for group in groups if group.name not in (SUPERVISOR, *SERVERS)],
        [group for group in groups if group.name in SERVERS],
    ):
        stop_groups(together, timeout=_STOPPED_WITHIN)
