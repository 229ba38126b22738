"""The state directory: everything that one stack keeps, under one lock."""

import fcntl
import json
import os
import shutil
from pathlib import Path
from typing import IO

from features.errors import SamestreamError
from streaming.local.ports import LOCALHOST, free_port

DEFAULT_STATE = Path(".samestream")

_FOLDERS = ("data", "logs", "pids", "config", "checkpoints", "registry", "offline")


class StateInUseError(SamestreamError, OSError):
    """Another process works with the same state directory."""


class StateDirectory:
    """The layout of a state directory; deleting the directory resets everything.

    ```
    data/kafka  data/valkey  data/schema_registry  logs/  pids/  config/  checkpoints/
    registry/  offline/  ports.json
    ```
    """

    def __init__(self, root: Path = DEFAULT_STATE) -> None:
        """Take the directory, which need not exist."""
        self.root = root.expanduser().absolute()
        self._lock: IO[str] | None = None

    @property
    def kafka_data(self) -> Path:
        """Kafka's log directory."""
        return self.root / "data" / "kafka"

    @property
    def valkey_data(self) -> Path:
        """Valkey's append-only files."""
        return self.root / "data" / "valkey"

    @property
    def schema_registry_data(self) -> Path:
        """The schema registry's database; it exists once there was a registry."""
        return self.root / "data" / "schema_registry"

    @property
    def logs(self) -> Path:
        """One log per process."""
        return self.root / "logs"

    @property
    def pids(self) -> Path:
        """One pid file per process."""
        return self.root / "pids"

    @property
    def config(self) -> Path:
        """Generated configuration files, written anew at every start."""
        return self.root / "config"

    @property
    def checkpoints(self) -> Path:
        """Flink's checkpoints, a folder per job."""
        return self.root / "checkpoints"

    @property
    def registry(self) -> Path:
        """The registries of Feast and of the models."""
        return self.root / "registry"

    @property
    def offline(self) -> Path:
        """The rows of Feast's offline store."""
        return self.root / "offline"

    @property
    def detached_path(self) -> Path:
        """Exists while the stack runs on purpose without the process that started it."""
        return self.root / "detached"

    def log_path(self, name: str) -> Path:
        """Return where the process of this name logs."""
        return self.logs / f"{name}.log"

    def pid_path(self, name: str) -> Path:
        """Return the pid file of the process of this name."""
        return self.pids / f"{name}.pid"

    def acquire(self) -> None:
        """Create the folders and lock the directory until `release` or the end of this process.

        Acquiring it again is allowed.

        Raises:
            StateInUseError: Another process holds the lock.
        """
        if self._lock is not None:
            return
        self.root.mkdir(parents=True, exist_ok=True)
        lock = (self.root / "lock").open("a+", encoding="ascii")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            holder = lock.read().strip() or "unknown"
            lock.close()
            message = (
                f"the state directory {self.root} is in use by process {holder}; stop that "
                "process first or name another state directory"
            )
            raise StateInUseError(message) from error
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        self._lock = lock
        for folder in _FOLDERS:
            (self.root / folder).mkdir(exist_ok=True)

    def release(self) -> None:
        """Unlock the directory; without a lock, do nothing."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def clear(self) -> None:
        """Delete all content except the lock; call it with the lock held and nothing running."""
        for entry in self.root.iterdir():
            if entry.name == "lock":
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()
        for folder in _FOLDERS:
            (self.root / folder).mkdir()

    def port(self, name: str) -> int:
        """Return the port of this name on 127.0.0.1: a free one at first, then always the same."""
        ports = self._ports()
        if name not in ports:
            ports[name] = free_port(exclude=set(ports.values()))
            temporary = self.root / "ports.json.new"
            temporary.write_text(json.dumps(ports, indent=2) + "\n", encoding="utf-8")
            temporary.replace(self.ports_path)
        return ports[name]

    def address(self, name: str) -> str:
        """Return host:port of this name."""
        return f"{LOCALHOST}:{self.port(name)}"

    @property
    def ports_path(self) -> Path:
        """The file that keeps the ports, a name and a number each."""
        return self.root / "ports.json"

    def _ports(self) -> dict[str, int]:
        try:
            return {
                str(name): int(port)
                for name, port in json.loads(self.ports_path.read_text(encoding="utf-8")).items()
            }
        except FileNotFoundError:
            return {}
