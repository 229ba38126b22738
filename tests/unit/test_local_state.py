"""The state directory, its lock and ports, and the checks before a start."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from streaming.local import preflight
from streaming.local.ports import PortInUseError, free_port, is_port_free, require_free_port
from streaming.local.preflight import (
    DiskFullError,
    UnsupportedPlatformError,
    require_free_space,
    require_supported_platform,
)
from streaming.local.process import ChildProcess
from streaming.local.stack import EmbeddedStack, StackInterruptedError, StackRunningError
from streaming.local.state import StateDirectory, StateInUseError
from streaming.local.wheels import MissingWheelError, import_wheel


@pytest.fixture
def state(tmp_path: Path) -> StateDirectory:
    return StateDirectory(tmp_path / "state")


def test_two_stacks_never_share_a_state_directory(state: StateDirectory) -> None:
    state.acquire()
    state.acquire()
    with pytest.raises(StateInUseError, match=rf"in use by process {os.getpid()}; stop that"):
        StateDirectory(state.root).acquire()
    state.release()
    other = StateDirectory(state.root)
    other.acquire()
    other.release()


def test_the_lock_ends_with_its_process_however_it_ends(state: StateDirectory) -> None:
    script = (
        "import os, sys; from pathlib import Path; from streaming.local.state import *; "
        "StateDirectory(Path(sys.argv[1])).acquire(); os.kill(os.getpid(), 9)"
    )
    ended = subprocess.run([sys.executable, "-c", script, str(state.root)], check=False)
    assert ended.returncode == -9
    state.acquire()
    state.release()


def test_clear_keeps_only_the_lock_and_empty_folders(state: StateDirectory) -> None:
    state.acquire()
    state.port("kafka")
    (state.kafka_data / "topic-0").mkdir(parents=True)
    (state.offline / "link").symlink_to(state.root.parent)
    state.clear()
    assert state.root.parent.exists()
    assert [path for path in state.root.rglob("*") if path.is_file()] == [state.root / "lock"]
    assert not state.kafka_data.exists()
    assert state.logs.is_dir()
    state.release()


def test_ports_are_kept(state: StateDirectory) -> None:
    state.acquire()
    ports = {name: state.port(name) for name in ("kafka", "valkey")}
    assert len(set(ports.values())) == 2
    again = StateDirectory(state.root)
    assert {name: again.port(name) for name in ports} == ports
    assert json.loads(state.ports_path.read_text(encoding="utf-8")) == ports
    assert again.address("kafka") == f"127.0.0.1:{ports['kafka']}"
    state.release()


def test_a_kept_port_in_use_is_told_in_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", free_port())) as server:
        port = server.getsockname()[1]
        assert not is_port_free(port)
        with pytest.raises(PortInUseError) as caught:
            require_free_port(port, name="Kafka", ports_path=tmp_path / "ports.json")
    assert re.fullmatch(
        rf"port {port} on 127\.0\.0\.1, kept for Kafka, is in use by another program; stop that "
        r"program, or delete .*ports\.json to choose new ports",
        str(caught.value),
    )


def test_a_full_disk_is_told_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = SimpleNamespace(free=1024**3 // 2)
    monkeypatch.setattr(preflight.shutil, "disk_usage", lambda _path: usage)
    with pytest.raises(DiskFullError, match=r"has 0.5 GiB of free disk space, 2.0 GiB are needed"):
        require_free_space(tmp_path / "not" / "yet" / "there")


def test_another_python_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    require_supported_platform()
    monkeypatch.setattr(preflight.platform, "python_version", lambda: "3.13.1")
    with pytest.raises(UnsupportedPlatformError, match=r"needs Python 3.11 .* this is Python 3.13"):
        require_supported_platform()


def test_a_missing_wheel_is_told_in_one_line() -> None:
    with pytest.raises(MissingWheelError, match=r"'no_such_wheel' is needed: .*pip"):
        import_wheel("no_such_wheel.part")


@pytest.fixture
def child(state: StateDirectory) -> Iterator[ChildProcess]:
    """A running process, recorded in the locked state directory."""
    state.acquire()
    child = ChildProcess(
        command=["sleep", "600"],
        log_path=state.log_path("valkey"),
        pid_path=state.pid_path("valkey"),
    )
    child.start()
    yield child
    child.stop(timeout=timedelta(0))


def test_a_detached_stack_is_not_started_twice(state: StateDirectory, child: ChildProcess) -> None:
    EmbeddedStack(state).detach()
    again = EmbeddedStack(StateDirectory(state.root))
    with pytest.raises(StackRunningError, match="`samestream down`"), again.stopped_on_failure():
        again.start()
    stranger = EmbeddedStack(StateDirectory(state.root))
    assert [(s.name, s.pid, s.alive) for s in stranger.status()] == [("valkey", child.pid, True)]
    stranger.stop()
    assert not child.alive()
    assert stranger.status() == []


def test_a_failure_stops_everything_and_stays_what_it_is(
    state: StateDirectory, child: ChildProcess
) -> None:
    assert child.alive()
    with pytest.raises(ZeroDivisionError), EmbeddedStack(state).stopped_on_failure():
        divmod(1, 0)
    assert not child.alive()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_stops_everything_and_is_told_in_one_line(
    state: StateDirectory, child: ChildProcess, number: signal.Signals
) -> None:
    stack = EmbeddedStack(state)
    with pytest.raises(StackInterruptedError) as caught, stack.stopped_on_failure():
        signal.raise_signal(number)
    assert str(caught.value) == "interrupted; everything that was started is stopped"
    assert not child.alive()
