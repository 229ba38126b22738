"""The real `samestream demo`, told to end while it starts."""

import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from streaming.local.process_group import ProcessGroup
from streaming.local.shutdown import recorded_groups
from streaming.local.state import StateDirectory
from streaming.local.waiting import wait_until

pytestmark = [pytest.mark.kafka, pytest.mark.valkey]

SOON = timedelta(seconds=120)


def test_sigterm_stops_everything_and_is_told_in_one_line(tmp_path: Path) -> None:
    state = StateDirectory(tmp_path / "state")
    command = [sys.executable, "-m", "streaming.cli", "demo", "--state", str(state.root)]
    kafka = ProcessGroup(state.pid_path("kafka"))
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as demo:
        try:
            wait_until(lambda: bool(kafka.members()), timeout=SOON, what="Kafka to be started")
            pids = [pid for group in recorded_groups(state.pids) for pid in group.members()]
            demo.send_signal(signal.SIGTERM)
            _, told = demo.communicate(timeout=SOON.total_seconds())
        finally:
            demo.kill()
    assert told == "samestream: interrupted; everything that was started is stopped\n"
    assert demo.returncode == 1
    assert recorded_groups(state.pids) == []
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
