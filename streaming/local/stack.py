"""The embedded stack: Kafka and Valkey over one state directory."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Self

from features.errors import SamestreamError
from streaming.kafka.connection import KafkaConnection
from streaming.local.guardian import Guardian
from streaming.local.interrupts import interrupted_once
from streaming.local.jars import DEFAULT_JAR_CACHE, DownloadProgress, ensure_jars
from streaming.local.kafka_server import KafkaServer
from streaming.local.preflight import require_free_space, require_supported_platform
from streaming.local.process_group import ProcessGroup, resident_bytes, stop_groups
from streaming.local.registry_server import RegistryServer, registry_url
from streaming.local.shutdown import GUARDIAN, recorded_groups, stop_recorded
from streaming.local.state import StateDirectory, StateInUseError
from streaming.local.valkey_server import ValkeyServer


class StackRunningError(SamestreamError, RuntimeError):
    """The stack of a state directory already runs in the background."""


class StackInterruptedError(SamestreamError, RuntimeError):
    """A command was told to end before it was done."""


@dataclass(frozen=True, kw_only=True)
class ProcessStatus:
    """One recorded process; `resident_bytes` counts what it started too."""

    name: str
    pid: int
    alive: bool
    resident_bytes: int


class EmbeddedStack:
    """Starts, stops and watches the servers, and stops every process recorded beside them.

    While its owner holds the stack, a guardian process stops everything should the owner be
    killed. A detached stack has no owner; another process may stop it or ask for its status.
    """

    def __init__(self, state: StateDirectory, jar_cache: Path = DEFAULT_JAR_CACHE) -> None:
        """Take the state directory and the cache of downloads; nothing is started."""
        self.state = state
        self._jar_cache = jar_cache.expanduser()
        self._servers: list[KafkaServer | ValkeyServer | RegistryServer] = []
        self._guardian: Guardian | None = None

    @property
    def kafka(self) -> KafkaConnection:
        """How clients connect to Kafka."""
        return KafkaConnection(bootstrap_servers=self.bootstrap_servers)

    @property
    def bootstrap_servers(self) -> str:
        """Kafka's address."""
        return self.state.address(KafkaServer.name)

    @property
    def redis_address(self) -> str:
        """Valkey's address, host:port."""
        return self.state.address(ValkeyServer.name)

    def reset(self) -> None:
        """Stop whatever runs on the state directory and empty it; it stays locked for a start.

        Raises:
            StateInUseError: Another process owns the stack.
        """
        self._take_over()
        stop_recorded(self.state.pids)
        self.state.clear()

    @property
    def registry_url(self) -> str | None:
        """The schema registry's address, if this stack has one."""
        return registry_url(self.state) if self.state.schema_registry_data.exists() else None

    def start(
        self,
        progress: Callable[[DownloadProgress], None] | None = None,
        *,
        with_registry: bool = False,
    ) -> None:
        """Start the servers and wait until they answer.

        What a killed owner left running is stopped first. A stack that once had a schema registry
        keeps it.

        Raises:
            SamestreamError: It cannot start, and everything is stopped again: StateInUseError,
                StackRunningError, PortInUseError, DiskFullError, UnsupportedPlatformError,
                MissingWheelError, JarDownloadError or ChildFailedError.
        """
        require_supported_platform()
        require_free_space(self.state.root)
        require_free_space(self._jar_cache)
        self._take_over()
        try:
            self._stop_leftovers()
            self._guardian = Guardian(self.state)
            kafka = KafkaServer(self.state, ensure_jars("kafka", self._jar_cache, progress))
            valkey = ValkeyServer(self.state)
            self._servers = [kafka, valkey]
            if with_registry or self.registry_url is not None:
                (archive,) = ensure_jars("registry", self._jar_cache, progress)
                self._servers.append(RegistryServer(self.state, archive))
            for server in self._servers:
                server.start()
            for server in self._servers:
                server.wait_ready()
        except StackRunningError:
            self.state.release()
            raise
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop every recorded process, also of a detached stack; stopping twice is allowed.

        Raises:
            StateInUseError: Another process owns the stack.
        """
        self._take_over()
        try:
            stop_recorded(self.state.pids)
            for server in self._servers:
                server.stop()
            self._servers = []
            self.state.detached_path.unlink(missing_ok=True)
            self._release_guardian()
        finally:
            self.state.release()

    @contextmanager
    def stopped_on_failure(self) -> Iterator[None]:
        """Stop every process when the block fails, or is interrupted by SIGINT or SIGTERM.

        Raises:
            StackInterruptedError: It was interrupted.
        """
        with interrupted_once():
            try:
                yield
            except (StackRunningError, StateInUseError):
                # What runs is another's, and goes on.
                raise
            except KeyboardInterrupt as error:
                self.stop()
                message = "interrupted; everything that was started is stopped"
                raise StackInterruptedError(message) from error
            except BaseException:
                self.stop()
                raise

    def detach(self) -> None:
        """Leave everything running without an owner."""
        self.state.detached_path.touch()
        self._release_guardian()
        self.state.release()

    def status(self) -> list[ProcessStatus]:
        """Return the recorded processes, whoever started them, sorted by name."""
        return [
            ProcessStatus(
                name=group.name,
                pid=recorded.pid,
                alive=group.leader() is not None,
                resident_bytes=resident_bytes(group.members()),
            )
            for group in recorded_groups(self.state.pids)
            if (recorded := group.recorded()) is not None
        ]

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        """Stop, also after an error."""
        self.stop()

    def _take_over(self) -> None:
        self.state.acquire()
        if self._guardian is None:
            # A killed owner's guardian may still be stopping things, which must not be ours.
            stop_groups([ProcessGroup(self.state.pid_path(GUARDIAN))], timeout=timedelta(0))

    def _stop_leftovers(self) -> None:
        if self.state.detached_path.exists():
            if any(status.alive for status in self.status()):
                message = (
                    f"a stack already runs in the background on {self.state.root}; "
                    "look at it with `samestream status`, stop it with `samestream down`"
                )
                raise StackRunningError(message)
            self.state.detached_path.unlink()
        stop_recorded(self.state.pids)

    def _release_guardian(self) -> None:
        if self._guardian is not None:
            self._guardian.release()
            self._guardian = None
