"""Child processes: started, found again after a kill, stopped as a whole, never mistaken."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from streaming.local.interrupts import interrupted_once, interrupts_deferred
from streaming.local.process import ChildFailedError, ChildProcess
from streaming.local.process_group import ProcessGroup, resident_bytes, stop_groups
from streaming.local.waiting import WaitTimeoutError, wait_until

SECONDS = timedelta(seconds=10)
NOW = timedelta(0)
WITH_GRANDCHILD = ["sh", "-c", "sleep 600 & echo started; wait"]
DEAF = ["sh", "-c", "trap '' TERM; echo started; while :; do sleep 600; done"]


@pytest.fixture
def children(tmp_path: Path) -> Iterator["Children"]:
    made = Children(tmp_path)
    yield made
    for child in made.all:
        child.stop(timeout=NOW)


class Children:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.all: list[ChildProcess] = []

    def make(self, command: list[str], name: str = "child", **options: object) -> ChildProcess:
        child = ChildProcess(
            command=command,
            log_path=self.directory / f"{name}.log",
            pid_path=self.directory / f"{name}.pid",
            **options,  # type: ignore[arg-type]
        )
        self.all.append(child)
        return child

    def start(self, command: list[str], name: str = "child") -> ChildProcess:
        child = self.make(command, name)
        child.start()
        if "echo started" in command[-1]:
            child.wait_ready(lambda: "started" in child.log_tail(), timeout=SECONDS)
        return child


def test_stop_ends_the_child_and_removes_its_pid_file(children: Children) -> None:
    child = children.start(["sleep", "600"])
    assert child.alive()
    assert child.exit_code is None
    assert child.group.members() == [child.pid]
    assert resident_bytes(child.group.members()) > 0
    assert child.stop(timeout=SECONDS) == -signal.SIGTERM
    assert not child.alive()
    assert not child.group.pid_path.exists()
    assert child.stop(timeout=SECONDS) == -signal.SIGTERM


def test_stop_kills_a_child_that_ignores_sigterm(children: Children) -> None:
    child = children.start(DEAF)
    assert child.stop(timeout=timedelta(milliseconds=50)) == -signal.SIGKILL
    assert child.group.members() == []


def test_stop_ends_what_the_child_started(children: Children) -> None:
    child = children.start(WITH_GRANDCHILD)
    assert len(child.group.members()) == 2
    child.stop(timeout=SECONDS)
    assert child.group.members() == []


def test_a_stranger_finds_and_stops_the_orphans_of_a_killed_child(children: Children) -> None:
    child = children.start(WITH_GRANDCHILD)
    assert child.pid is not None
    os.kill(child.pid, signal.SIGKILL)
    wait_until(lambda: not child.alive(), timeout=SECONDS, what="the killed child to end")
    found = ProcessGroup(child.group.pid_path)
    assert found.leader() is None
    assert len(found.members()) == 1
    stop_groups([found], timeout=SECONDS)
    assert found.members() == []


def test_a_reused_pid_is_not_touched(children: Children, tmp_path: Path) -> None:
    stranger = children.start(["sleep", "600"], name="stranger")
    forged = json.loads(stranger.group.pid_path.read_text(encoding="utf-8"))
    forged["start_ticks"] -= 1
    stale = tmp_path / "stale.pid"
    stale.write_text(json.dumps(forged), encoding="utf-8")
    group = ProcessGroup(stale)
    assert group.leader() is None
    assert group.members() == []
    stop_groups([group], timeout=SECONDS)
    assert stranger.alive()
    assert not stale.exists()


@pytest.mark.parametrize("content", ["", "123", "{}", '{"pid": 1}', "\0"])
def test_an_unreadable_pid_file_names_nobody(content: str, tmp_path: Path) -> None:
    path = tmp_path / "broken.pid"
    path.write_text(content, encoding="utf-8")
    group = ProcessGroup(path)
    assert group.recorded() is None
    assert group.members() == []
    stop_groups([group], timeout=NOW)
    assert not path.exists()


def test_a_pid_file_from_before_a_reboot_names_nobody(children: Children) -> None:
    child = children.start(["sleep", "600"])
    path = child.group.pid_path
    current = path.read_text(encoding="utf-8")
    path.write_text(json.dumps(json.loads(current) | {"boot_id": "other"}), encoding="utf-8")
    assert ProcessGroup(path).members() == []
    path.write_text(current, encoding="utf-8")


def test_a_running_child_is_not_started_twice(children: Children) -> None:
    children.start(["sleep", "600"])
    with pytest.raises(ChildFailedError, match=r"child already runs, see .*child.pid"):
        children.make(["sleep", "600"]).start()


def test_a_child_that_ends_early_is_explained_by_its_log(children: Children) -> None:
    child = children.make(["sh", "-c", "echo no such luck; exit 7"])
    child.start()
    with pytest.raises(ChildFailedError, match=r"(?s)exit code 7; .*child.log are:\nno such luck"):
        child.wait_ready(lambda: False, timeout=SECONDS)


def test_a_child_that_is_never_ready_is_explained_by_its_log(children: Children) -> None:
    child = children.start(["sh", "-c", "echo started; sleep 600"])
    with pytest.raises(ChildFailedError, match=r"(?s)child to be ready after 0.1 s; .*\nstarted"):
        child.wait_ready(lambda: False, timeout=timedelta(milliseconds=100))


def test_the_log_of_an_earlier_start_explains_nothing(children: Children) -> None:
    for text in ("first", "second"):
        child = children.make(["sh", "-c", f"echo {text}"])
        child.start()
        child.run_to_end(timeout=SECONDS)
        assert child.log_tail() == text


def test_run_to_end_wants_exit_code_zero(children: Children) -> None:
    child = children.make(["sh", "-c", "exit 3"])
    child.start()
    with pytest.raises(ChildFailedError, match="exit code 3"):
        child.run_to_end(timeout=SECONDS)


def test_a_missing_program_is_told(children: Children) -> None:
    with pytest.raises(ChildFailedError, match=r"cannot start child: .*no-such-program"):
        children.make(["no-such-program"]).start()


def test_a_child_gets_its_environment_and_directory(children: Children, tmp_path: Path) -> None:
    child = children.make(
        ["sh", "-c", "echo $COLOUR $PWD"], environment={"COLOUR": "red"}, directory=tmp_path
    )
    child.start()
    child.run_to_end(timeout=SECONDS)
    assert child.log_tail() == f"red {tmp_path}"


def test_waiting_says_what_it_waited_for() -> None:
    with pytest.raises(WaitTimeoutError, match=r"gave up waiting for rain after 0 s"):
        wait_until(lambda: False, timeout=NOW, what="rain")


def test_a_child_does_not_inherit_a_directory_that_dies_with_its_parent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("PROMETHEUS_MULTIPROC_DIR", "PROMETHEUS_MULTIPROCESS_DIR", "KEPT")
    for name in names:
        monkeypatch.setenv(name, "here")
    show = f"import os; print(*(os.environ.get(name) for name in {names}))"
    child = ChildProcess(
        command=[sys.executable, "-c", show],
        log_path=tmp_path / "child.log",
        pid_path=tmp_path / "child.pid",
    )
    child.start()
    child.run_to_end(timeout=timedelta(seconds=20))
    assert (tmp_path / "child.log").read_text() == "None None here\n"


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Python's own handler of SIGINT, which a process started in the background does not have."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_waits_for_the_end_of_the_block() -> None:
    steps: list[str] = []

    def interrupted_step() -> None:
        with interrupts_deferred():
            signal.raise_signal(signal.SIGINT)
            steps.append("rest of the block")

    with pytest.raises(KeyboardInterrupt):
        interrupted_step()
    assert steps == ["rest of the block"]


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
def test_only_the_first_signal_interrupts(first: signal.Signals) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    steps: list[str] = []

    def interrupted_twice() -> None:
        with interrupted_once():
            try:
                signal.raise_signal(first)
                steps.append("not reached")
            finally:
                signal.raise_signal(signal.SIGTERM)
                signal.raise_signal(signal.SIGINT)
                steps.append("clean-up")

    with pytest.raises(KeyboardInterrupt):
        interrupted_twice()
    assert steps == ["clean-up"]
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_the_guardian_stops_everything_when_its_owner_is_killed(tmp_path: Path) -> None:
    owner = subprocess.Popen([sys.executable, "-c", OWNER, str(tmp_path)], stdout=subprocess.PIPE)
    with owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"started\n"
        groups = [ProcessGroup(path) for path in (tmp_path / "pids").glob("*.pid")]
        assert sorted(group.name for group in groups) == ["app", "guardian", "kafka"]
        assert all(group.members() for group in groups)
        owner.kill()
    wait_until(
        lambda: not any(group.members() for group in groups), timeout=SECONDS, what="the guardian"
    )


OWNER = """
import sys, time
from pathlib import Path
from streaming.local.guardian import Guardian
from streaming.local.interrupts import interrupts_deferred
from streaming.local.process import ChildProcess
from streaming.local.state import StateDirectory

state = StateDirectory(Path(sys.argv[1]))
state.acquire()
guardian = Guardian(state)
children = [
    ChildProcess(
        command=["sleep", "600"], log_path=state.log_path(name), pid_path=state.pid_path(name)
    )
    for name in ("kafka", "app")
]
for child in children:
    child.start()
print("started", flush=True)
time.sleep(600)
"""
