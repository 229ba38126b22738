"""The steps of the demonstration, each on the real system."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from datetime import timedelta
from functools import partial
from typing import Any

from feature_repo.online_store import connect
from feature_repo.reader import OnlineReader
from feature_repo.rendering import PROJECT
from features.definitions import Definitions
from features.examples.flights.history import FlightsHistory
from features.source import EVENT_TIME_MS
from streaming.demo.plan import DemoPlan
from streaming.flink.rest import dropped_late_records, live_rest_url
from streaming.intake.counters import intake_counters, intake_group
from streaming.intake.gate import Outcome
from streaming.intake.importer import ImportReport, import_history
from streaming.intake.replayer import ReplayReport, replay
from streaming.kafka.admin import Admin
from streaming.kafka.backlog import has_caught_up
from streaming.kafka.reader import RangeReader
from streaming.kafka.topics import raw_topic, validated_topic
from streaming.local.deployment import deploy
from streaming.local.process import ChildProcess
from streaming.local.stack import EmbeddedStack
from streaming.local.system import connected, environment, start_processes
from streaming.local.waiting import wait_until
from streaming.scoring.counters import scorer_group
from streaming.settings import Settings

_SHOWN_EVERY = 2_000
_STEP_TIMEOUT = timedelta(minutes=30)
_SCORED_TIMEOUT = timedelta(minutes=2)
_STOP_TIMEOUT = timedelta(seconds=30)

Progress = Callable[[float, float], None]


class DemoSystem:
    """One system on an embedded stack, driven through the steps of the demonstration."""

    def __init__(self, settings: Settings, stack: EmbeddedStack, plan: DemoPlan) -> None:
        """Take a running stack; the log gets the replay clock."""
        self.stack = stack
        self.plan = plan
        self.settings = connected(settings, stack).model_copy(update={"clock": "replay"})
        self.definitions: Definitions = deploy(self.settings)
        (self.service,) = self.definitions.services
        self._supervisor: ChildProcess | None = None

    def import_history(self, history: FlightsHistory, progress: Progress) -> list[ImportReport]:
        """Import every source up to the start of the replay."""
        reports = []
        begin, end = self.plan.ms["history_from"], self.plan.ms["replay_from"]
        for done, source in enumerate(self.definitions.sources):
            events = history.events(source.name, start_ms=begin, end_ms=end)
            reports.append(
                import_history(
                    self.settings,
                    source,
                    self.definitions.slides_ms(source),
                    self._watched(events, done, progress),
                    end,
                )
            )
        return reports

    def _watched(
        self, events: Iterable[dict[str, Any]], done: int, progress: Progress
    ) -> Iterator[dict[str, Any]]:
        """Pass events on and show how far in time they are, `done` sources being finished."""
        begin, end = self.plan.ms["history_from"], self.plan.ms["replay_from"]
        total = len(self.definitions.sources) * (end - begin)
        for number, event in enumerate(events):
            if number % _SHOWN_EVERY == 0:
                progress(done * (end - begin) + event[EVENT_TIME_MS] - begin, total)
            yield event

    def backfill(self) -> dict[str, Any]:
        """Write the offline rows of history; returns what the process reported."""
        return self._run("backfill", "streaming.flink.backfill_process")

    def train(self) -> dict[str, Any]:
        """Train, register and promote; returns the figures of `streaming.demo.training`."""
        return self._run("training", "streaming.demo.training", str(self.plan.ms["test_from"]))

    def start_processes(self) -> None:
        """Start intake, the live job, ingest and the scorer under a supervisor."""
        self._supervisor = start_processes(self.settings, self.stack, self.definitions)

    def stop_processes(self) -> None:
        """Stop them all; the stack keeps running."""
        if self._supervisor is not None:
            self._supervisor.stop(timeout=_STOP_TIMEOUT)
            self._supervisor = None

    def leave_running(self) -> None:
        """Start the processes again and leave everything running without this process."""
        self.start_processes()
        self.stack.detach()

    def wait_complete(self, progress: Progress) -> None:
        """Wait until every view is complete at the end of history."""
        begin, end = self.plan.ms["history_from"], self.plan.ms["replay_from"]
        reader = self._reader()
        views = self.definitions.views

        def is_complete() -> bool:
            complete = reader.complete()
            reached = [complete[view.name] or begin for view in views]
            progress(sum(max(0, until - begin) for until in reached), len(views) * (end - begin))
            return all(until >= view.as_of(end) for until, view in zip(reached, views, strict=True))

        wait_until(is_complete, timeout=_STEP_TIMEOUT, what="all views to be complete")

    def replay(
        self, history: FlightsHistory, start_ms: int, end_ms: int, progress: Progress
    ) -> ReplayReport:
        """Publish events and heartbeats of a range as a producer would."""
        return replay(
            self.settings,
            self.definitions,
            {
                source.name: history.events(source.name, start_ms=start_ms, end_ms=end_ms)
                for source in self.definitions.sources
            },
            start_ms=start_ms,
            speed=self.plan.speed,
            progress=lambda time_ms: progress(time_ms - start_ms, end_ms - start_ms),
        )

    def wait_scored(self) -> None:
        """Wait until intake and the scorer have processed every request that was published."""
        request, kafka = self.service.request, self.settings.kafka
        readers = (
            (intake_group(request), raw_topic(request)),
            (scorer_group(self.service), validated_topic(request)),
        )
        with Admin(kafka) as admin, closing(RangeReader(kafka)) as reader:
            for group, topic in readers:
                wait_until(
                    partial(has_caught_up, admin, reader, group, topic),
                    timeout=_SCORED_TIMEOUT,
                    what=f"{group} to reach the end of {topic}",
                )

    def verify(self) -> dict[str, Any]:
        """Run `samestream verify`; returns its report."""
        path = self.stack.state.config / "verify.json"
        path.unlink(missing_ok=True)
        child = self._child(
            "verify",
            "streaming.cli",
            *("verify", self.service.name, "--state", str(self.stack.state.root)),
            *("--json", str(path)),
        )
        child.start()
        wait_until(lambda: not child.alive(), timeout=_STEP_TIMEOUT, what="verify to end")
        if not path.exists():
            child.run_to_end(timeout=timedelta(0))
        report: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return report

    def outcomes(self) -> dict[str, dict[Outcome, int]]:
        """Count what intake made of the raw records, by source."""
        kafka = self.settings.kafka
        sources = self.definitions.sources
        return {source.name: intake_counters(kafka, source) for source in sources}

    def dropped_by_flink(self) -> int:
        """Count the records that the live job dropped as late; anything but 0 is corruption."""
        return dropped_late_records(live_rest_url(self.settings))

    def _reader(self) -> OnlineReader:
        return OnlineReader(
            connect(self.settings.online_store), project=PROJECT, views=self.definitions.views
        )

    def _run(self, name: str, module: str, *arguments: str) -> dict[str, Any]:
        """Run a module to its end in a process of its own, and read the result it writes."""
        path = self.stack.state.config / f"{name}.json"
        child = self._child(name, module, str(path), *arguments)
        child.start()
        child.run_to_end(timeout=_STEP_TIMEOUT)
        result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return result

    def _child(self, name: str, module: str, *arguments: str) -> ChildProcess:
        state = self.stack.state
        return ChildProcess(
            command=[sys.executable, "-m", module, *arguments],
            log_path=state.log_path(name),
            pid_path=state.pid_path(name),
            environment=environment(self.settings),
        )
