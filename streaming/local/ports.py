"""Ports on 127.0.0.1."""

import random
import socket
from collections.abc import Set as AbstractSet
from pathlib import Path

from features.errors import SamestreamError

LOCALHOST = "127.0.0.1"

# Below the range from which Linux takes ports for outgoing connections, where any program could
# occupy a kept port between two starts.
_CANDIDATES = range(20_000, 32_000)


class PortInUseError(SamestreamError, OSError):
    """A port that this stack keeps is taken by another program."""


def is_port_free(port: int) -> bool:
    """Whether a server could listen on the port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOCALHOST, port))
        except OSError:
            return False
        return True


def free_port(*, exclude: AbstractSet[int] = frozenset()) -> int:
    """Return a free port outside the set, another one at each call so that stacks do not race.

    Raises:
        PortInUseError: Every candidate is taken.
    """
    for port in random.sample(_CANDIDATES, k=len(_CANDIDATES)):
        if port not in exclude and is_port_free(port):
            return port
    message = f"no free port on {LOCALHOST} in {_CANDIDATES.start}..{_CANDIDATES.stop - 1}"
    raise PortInUseError(message)


def require_free_port(port: int, *, name: str, ports_path: Path) -> None:
    """Check that a kept port can be used.

    Raises:
        PortInUseError: It cannot; the message says what to do.
    """
    if not is_port_free(port):
        message = (
            f"port {port} on {LOCALHOST}, kept for {name}, is in use by another program; stop "
            f"that program, or delete {ports_path} to choose new ports"
        )
        raise PortInUseError(message)
