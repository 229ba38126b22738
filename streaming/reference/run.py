"""`samestream flights-reference`: the whole flights year against the figures that are given."""

import json
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from features.instant import to_ms
from streaming.console import Console
from streaming.demo.memory import MemoryWatch
from streaming.demo.plan import new_york
from streaming.local.guardian import Guardian
from streaming.local.jars import ensure_jars
from streaming.local.process import ChildProcess
from streaming.local.stack import EmbeddedStack
from streaming.local.state import StateDirectory
from streaming.local.system import environment
from streaming.reference.definitions import DEFINITIONS, SUM_VIEWS, VIEWS
from streaming.reference.given import checks
from streaming.reference.show import show
from streaming.settings import Settings

_MODULE = "streaming.reference.definitions"
_STEP_TIMEOUT = timedelta(hours=2)


@dataclass(frozen=True, kw_only=True)
class Range:
    """Which flights to compute; instants are aware.

    Attributes:
        until: end of the history, exclusive.
        test_from: the models learn from requests before, and are judged by those after.
    """

    until: datetime
    test_from: datetime


YEAR = Range(until=datetime(2014, 1, 2, tzinfo=UTC), test_from=new_york(2013, 11, 1))


def flights_reference(state_dir: Path, json_file: Path | None) -> bool:
    """Compute the whole year, print given and measured figures, return whether all agree.

    Args:
        state_dir: emptied at first; keeps the offline rows and the logs.
        json_file: also gets the measured figures.
    """
    console = Console()
    report = measure(Settings(state_dir=state_dir.absolute()), YEAR, console)
    found = checks(report)
    show(console, report, found)
    if json_file is not None:
        json_file.write_text(json.dumps(report, indent=2), encoding="utf-8")
    return all(check.passed for check in found)


def measure(settings: Settings, flights: Range, console: Console) -> dict[str, Any]:
    """Compute part of the year, every memory-hungry step in a process of its own.

    Returns:
        `views.<name>` and `metrics.<set>` with the figures of each, `events` by source,
        `training_rows`, `test_rows`, `backfill` (rows by view, seconds), `scan_seconds` and
        `peak_bytes`.
    """
    state = StateDirectory(settings.state_dir)
    stack = EmbeddedStack(state, settings.jar_cache)
    stack.reset()
    guardian = Guardian(state)
    try:
        with console.bar() as bar:
            ensure_jars("flink", settings.jar_cache, bar.downloaded)
        with MemoryWatch(stack) as memory:
            report = _Steps(settings, state, flights, console).run()
        return {**report, "peak_bytes": sum(memory.at_peak.values()), "at_peak": memory.at_peak}
    finally:
        stack.stop()
        guardian.release()


class _Steps:
    def __init__(
        self, settings: Settings, state: StateDirectory, flights: Range, console: Console
    ) -> None:
        self._settings = settings.model_copy(update={"definitions": _MODULE})
        self._state, self._console = state, console
        self._history = state.root / "history"
        self._until, self._test_from = str(to_ms(flights.until)), str(to_ms(flights.test_from))

    def run(self) -> dict[str, Any]:
        history = str(self._history)
        self._history.mkdir()
        with self._console.step("Write the history as CSV files"):
            self._child("history", history, self._until)
        with self._console.step("Count the events of the files with Flink"):
            sources = [source.name for source in DEFINITIONS.sources]
            scan = self._result("scan", history, *sources)
        with self._console.step(f"Backfill {len(VIEWS)} views from the files"):
            names = [view.name for view in VIEWS]
            backfill = self._result("backfill", history, self._until, *names)
        with self._console.step(f"Backfill {len(SUM_VIEWS)} views of sums that have no mean"):
            names = [view.name for view in SUM_VIEWS]
            self._result("backfill", history, self._until, *names, name="sums")
        with self._console.step("Pull the training set with Feast, train"):
            figures = self._result("training", self._until, self._test_from)
        return {
            **figures,
            "events": {name: log["accepted"] for name, log in backfill["sources"].items()},
            "scanned": scan["events"],
            "scan_seconds": scan["seconds"],
            "backfill": backfill["backfill"],
        }

    def _result(self, step: str, *arguments: str, name: str | None = None) -> dict[str, Any]:
        path = self._state.config / f"{name or step}.json"
        self._child(step, str(path), *arguments, name=name)
        result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return result

    def _child(self, step: str, *arguments: str, name: str | None = None) -> None:
        """Run a step to its end in a process of its own, so that its memory is returned.

        The JVM of a step may still be ending when the next one starts, which needs another name.
        """
        child = ChildProcess(
            command=[sys.executable, "-m", f"streaming.reference.{step}", *arguments],
            log_path=self._state.log_path(name or step),
            pid_path=self._state.pid_path(name or step),
            environment=environment(self._settings),
        )
        with self._console.pulse(step):
            child.start()
            child.run_to_end(timeout=_STEP_TIMEOUT)
