"""The `samestream` command in a process of its own, as a user runs it."""

import os
import re
import subprocess
import sys
from pathlib import Path

_TIMEOUT_SECONDS = 300


def samestream(
    command: str, state: Path, *options: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a command on a state directory."""
    return subprocess.run(
        [sys.executable, "-m", "streaming.cli", command, "--state", str(state), *options],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "COLUMNS": "120"} | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=_TIMEOUT_SECONDS,
    )


def running(status: subprocess.CompletedProcess[str]) -> list[str]:
    """Names of the processes that `status` calls running."""
    return re.findall(r"^(\S+) +\d+ +running ", status.stdout, flags=re.MULTILINE)
