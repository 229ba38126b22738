"""The JVM that PyFlink talks to: one for each Python process that runs a job."""

import atexit
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from py4j.protocol import Py4JError
from pyflink.java_gateway import get_gateway
from pyflink.pyflink_gateway_server import (
    construct_flink_classpath,
    prepare_environment_variables,
)

from features.errors import SamestreamError
from streaming.local.java import java_home
from streaming.local.waiting import wait_until

_STARTED_WITHIN = timedelta(seconds=120)
_STOPPED_WITHIN_SECONDS = 10.0
_PORT_BYTES = 4

# Flink reaches into the JDK by reflection.
_OPENED = (
    "java.base/java.io",
    "java.base/java.lang",
    "java.base/java.lang.reflect",
    "java.base/java.net",
    "java.base/java.nio",
    "java.base/java.text",
    "java.base/java.time",
    "java.base/java.util",
    "java.base/java.util.concurrent",
    "java.base/java.util.concurrent.atomic",
    "java.base/java.util.concurrent.locks",
    "java.base/sun.nio.ch",
)

# A signal to the whole process group is for Python, which stops the job first. The JVM ends when
# its standard input closes, so also after a kill -9 of Python.
_UNSIGNALLED = ("/bin/sh", "-c", "trap '' INT TERM; exec \"$@\"", "sh")

_processes: list[subprocess.Popen[bytes]] = []
_given: list[dict[str, str]] = []


class JvmError(SamestreamError, RuntimeError):
    """Flink's JVM did not start, or runs with other secrets."""


def ensure_jvm(
    *,
    max_heap_mb: int,
    log_dir: Path,
    jars: Sequence[Path],
    environment: Mapping[str, str],
    system_properties: Mapping[str, str],
) -> None:
    """Start the JVM of this process, unless it has one.

    Args:
        max_heap_mb: -Xmx; PyFlink alone would take a quarter of the machine.
        log_dir: receives the JVM's log and temporary files; no other process may use it.
        jars: added to Flink's own.
        environment: secrets, added to the environment of this process.
        system_properties: anybody can see them.

    Raises:
        JvmError: It ended at once, or it runs already and was given something else.
    """
    given = {**environment, **system_properties}
    if _processes:
        if given != _given[0]:
            msg = "Flink's JVM: got other secrets than it runs with; allowed is a new process"
            raise JvmError(msg)
        return
    temporary = log_dir / "tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    port_file = temporary / "port"
    variables = os.environ | dict(environment) | {"_PYFLINK_CONN_INFO_PATH": str(port_file)}
    prepare_environment_variables(variables)
    output = log_dir / "jvm.log"
    with output.open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - our own command line
            _command(max_heap_mb, log_dir, variables, system_properties, jars),
            env=variables,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    _processes.append(process)
    _given.append(given)
    wait_until(
        lambda: _port(port_file) is not None or process.poll() is not None,
        timeout=_STARTED_WITHIN,
        what="Flink's JVM to start",
    )
    port = _port(port_file)
    if port is None:
        msg = f"Flink's JVM ended with exit code {process.returncode}; see {output}"
        raise JvmError(msg)
    # Only for PyFlink in this process: children must not use this JVM.
    os.environ["PYFLINK_GATEWAY_PORT"] = str(port)
    try:
        get_gateway()
    finally:
        del os.environ["PYFLINK_GATEWAY_PORT"]
    atexit.register(_stop, process)


def _command(
    max_heap_mb: int,
    log_dir: Path,
    variables: dict[str, str],
    system_properties: Mapping[str, str],
    jars: Sequence[Path],
) -> list[str]:
    logging = Path(variables["FLINK_CONF_DIR"]) / "log4j-cli.properties"
    properties = {
        **system_properties,
        "java.awt.headless": "true",
        "java.io.tmpdir": str(log_dir.absolute() / "tmp"),
        "log.file": str(log_dir.absolute() / "flink.log"),
        "log4j.configurationFile": str(logging),
    }
    return [
        *_UNSIGNALLED,
        str(java_home() / "bin" / "java"),
        "-Xms64m",
        f"-Xmx{max_heap_mb}m",
        "-XX:+UseSerialGC",
        *(f"--add-opens={package}=ALL-UNNAMED" for package in _OPENED),
        *(f"-D{name}={value}" for name, value in properties.items()),
        "-cp",
        ":".join([construct_flink_classpath(variables), *map(str, jars)]),
        "org.apache.flink.client.python.PythonGatewayServer",
    ]


def _port(port_file: Path) -> int | None:
    written = port_file.read_bytes() if port_file.exists() else b""
    return int.from_bytes(written[:_PORT_BYTES], "big") if len(written) >= _PORT_BYTES else None


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Let the JVM end, which also removes its temporary files."""
    # Else every Java object that is still known to Python complains about its lost connection.
    with suppress(Py4JError, OSError):
        get_gateway().shutdown()
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(_STOPPED_WITHIN_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
