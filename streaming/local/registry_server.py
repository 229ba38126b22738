"""Apicurio, a Schema Registry with the interface of Confluent's, on 127.0.0.1 only."""

import os
import tarfile
import tempfile
import urllib.error
import urllib.request
from datetime import timedelta
from pathlib import Path

from streaming.local.java import java_command
from streaming.local.ports import LOCALHOST, require_free_port
from streaming.local.process import ChildProcess
from streaming.local.state import StateDirectory

_READY_WITHIN = timedelta(seconds=120)
_STOPPED_WITHIN = timedelta(seconds=20)
_REQUEST_SECONDS = 2.0
_HEAP_MB = 256
_MANAGEMENT = "registry_management"


class RegistryServer:
    """The embedded Schema Registry of a state directory; what it acknowledged survives a kill."""

    name = "registry"

    def __init__(self, state: StateDirectory, archive: Path) -> None:
        """Unpack the program if that was not done yet, choose or read the ports; start nothing.

        Args:
            state: A locked state directory.
            archive: The file of the `registry` set.
        """
        self.state = state
        self._url = registry_url(state)
        data = state.schema_registry_data
        self.process = ChildProcess(
            command=java_command(
                jars=[_unpacked(archive) / "quarkus-run.jar"],
                main_class="io.quarkus.bootstrap.runner.QuarkusEntryPoint",
                max_heap_mb=_HEAP_MB,
                properties={
                    "quarkus.http.host": LOCALHOST,
                    "quarkus.http.port": str(state.port(self.name)),
                    "quarkus.management.host": LOCALHOST,
                    "quarkus.management.port": str(state.port(_MANAGEMENT)),
                    # Each change reaches the disk before it is acknowledged.
                    "apicurio.datasource.url": f"jdbc:h2:file:{data / 'registry'};WRITE_DELAY=0",
                },
            ),
            log_path=state.log_path(self.name),
            pid_path=state.pid_path(self.name),
        )

    def start(self) -> None:
        """Start the process; return before it is ready.

        Raises:
            PortInUseError: A port of this state directory is taken.
        """
        for name, what in ((self.name, "Schema Registry"), (_MANAGEMENT, "its management")):
            require_free_port(self.state.port(name), name=what, ports_path=self.state.ports_path)
        self.state.schema_registry_data.mkdir(parents=True, exist_ok=True)
        self.process.start()

    def wait_ready(self) -> None:
        """Wait until the registry answers.

        Raises:
            ChildFailedError: It ended, or did not answer in time.
        """
        self.process.wait_ready(self._answers, timeout=_READY_WITHIN)

    def stop(self) -> None:
        """Shut the registry down."""
        self.process.stop(timeout=_STOPPED_WITHIN)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self._url}/subjects", timeout=_REQUEST_SECONDS):  # noqa: S310 - our own http address
                return True
        except (urllib.error.URLError, OSError):
            return False


def registry_url(state: StateDirectory) -> str:
    """Return the address for clients."""
    return f"http://{state.address(RegistryServer.name)}/apis/ccompat/v7"


def _unpacked(archive: Path) -> Path:
    """Return the directory beside the archive with its content."""
    directory = archive.with_name(archive.name.removesuffix(".tar.gz"))
    if not directory.exists():
        with tempfile.TemporaryDirectory(prefix=".unpack-", dir=archive.parent) as temporary:
            new = Path(temporary) / "content"
            with tarfile.open(archive) as content:
                content.extractall(new, filter="data")
            if not directory.exists():
                os.replace(new, directory)  # noqa: PTH105 - a rename that is atomic
    return directory
