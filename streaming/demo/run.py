"""`samestream demo`: the steps, with what they do, how long they take and what comes out."""

import os
import time
from pathlib import Path
from typing import Any

from features.errors import SamestreamError
from features.examples.flights.history import FlightsHistory, read_history
from streaming.audit.command import show_report
from streaming.audit.latency import boundary_to_complete, event_to_prediction, percentiles
from streaming.console import Bar, Console
from streaming.demo.memory import MemoryWatch, peak_text
from streaming.demo.plan import DemoPlan, demo_settings, flights_plan
from streaming.demo.system import DemoSystem, Progress
from streaming.intake.gate import Outcome
from streaming.local.jars import ensure_jars
from streaming.local.stack import EmbeddedStack
from streaming.local.state import StateDirectory
from streaming.settings import Settings


class NotProvenError(SamestreamError, RuntimeError):
    """The demonstration did not end with every prediction EXACT."""


def run_demo(*, state_dir: Path, whole_year: bool, speed: float, keep: bool) -> None:
    """Run the demonstration on an emptied state directory.

    Raises:
        NotProvenError: a prediction is missing, doubled or not EXACT, or a record was refused.
    """
    console = Console()
    plan = flights_plan(whole_year=whole_year, speed=speed)
    settings = demo_settings(state_dir, whole_year=whole_year)
    stack = EmbeddedStack(StateDirectory(settings.state_dir), settings.jar_cache)
    began = time.monotonic()
    with stack.stopped_on_failure():
        with console.step("Start Kafka and Valkey (embedded, on 127.0.0.1)"):
            stack.reset()
            with console.bar() as bar:
                ensure_jars("flink", settings.jar_cache, bar.downloaded)
                stack.start(bar.downloaded)
            console.say(f"   Kafka {stack.bootstrap_servers}, Valkey {stack.redis_address}")
        with MemoryWatch(stack) as memory:
            demo = _run_steps(console, settings, stack, plan)
        console.say()
        console.say(peak_text(memory.at_peak))
        console.say(f"Total time: {time.monotonic() - began:.0f} s")
        if keep:
            demo.leave_running()
        else:
            stack.stop()
    _say_what_next(console, settings, keep=keep)


def _run_steps(
    console: Console, settings: Settings, stack: EmbeddedStack, plan: DemoPlan
) -> DemoSystem:
    with console.step("Create topics and Avro schemas, apply the Feast repository"):
        demo = DemoSystem(settings, stack, plan)
        definitions = demo.definitions
        console.say(
            f"   {len(definitions.sources)} sources, {len(definitions.views)} feature views, "
            f"{len(demo.service.features)} features in service {demo.service.name}"
        )
    with console.step(
        f"Import history {plan.history_from:%d %B} to {plan.replay_from:%d %B %Y}, through the "
        "rules of intake"
    ):
        history = read_history()
        with console.bar() as bar:
            imported = demo.import_history(history, _shown(bar, "events"))
        accepted = sum(report.accepted for report in imported)
        console.say(f"   {accepted:,} events in the validated log")
    with console.step("Backfill: the bounded Flink job writes the offline rows"):
        with console.pulse("Flink"):
            rows = demo.backfill()["rows"]
        console.say(f"   {sum(rows.values()):,} rows of {len(rows)} views as Parquet")
    with console.step("Start intake, the live Flink job, ingest and the scorer; train meanwhile"):
        demo.start_processes()
        with console.pulse("training"):
            figures = demo.train()
        _show_training(console, figures)
    waiting = console.step("Wait until every view is complete at the end of history")
    with waiting, console.bar() as bar:
        demo.wait_complete(_shown(bar, "views"))
    with console.step(f"Replay {plan.replay_from:%d %B} to the end at {plan.speed:,.0f}x"):
        requests = _replay(console, demo, history)
    dropped = demo.dropped_by_flink()
    latencies = (
        ("event to prediction", event_to_prediction(demo.settings, demo.service)),
        ("boundary event to complete view", boundary_to_complete(demo.settings, demo.definitions)),
    )
    with console.step("Verify: recompute every vector and score from the log, compare bits"):
        # Two Flink jobs at once would not fit into the memory that the demonstration promises.
        demo.stop_processes()
        with console.pulse("Flink, then XGBoost"):
            report = demo.verify()
        show_report(console, report)
    outcomes = demo.outcomes()
    console.say()
    console.table(
        ("intake", *outcomes),
        [
            (outcome.value, *(f"{counts[outcome]:,}" for counts in outcomes.values()))
            for outcome in Outcome
        ],
    )
    console.say(f"Records dropped by Flink as late: {dropped}")
    console.say()
    console.table(
        ("latency, ms", "p50", "p99"),
        [(name, *(f"{value:.0f}" for value in percentiles(sample))) for name, sample in latencies],
    )
    refused = sum(
        counts[outcome]
        for counts in outcomes.values()
        for outcome in (Outcome.LATE, Outcome.DUPLICATE, Outcome.DEAD)
    )
    if not report["proven"] or report["exact"] != requests or refused or dropped:
        msg = (
            f"not proven: of {requests:,} requests {report['exact']:,} are EXACT; intake refused "
            f"{refused}, Flink dropped {dropped}; the state is kept in {settings.state_dir}"
        )
        raise NotProvenError(msg)
    return demo


def _replay(console: Console, demo: DemoSystem, history: FlightsHistory) -> int:
    begin, end = demo.plan.ms["replay_from"], demo.plan.ms["replay_until"]
    source = demo.service.request.name
    requests = sum(1 for _ in history.events(source, start_ms=begin, end_ms=end))
    with console.bar() as bar:
        report = demo.replay(history, begin, end, _shown(bar, "event time"))
    demo.wait_scored()
    console.say(
        f"   {report.events:,} events and {report.heartbeats:,} heartbeats in "
        f"{report.seconds:.0f} s, {requests:,} of them requests; "
        f"{report.speed:,.0f}x reached, at most {report.behind_seconds:.2f} s behind"
    )
    return requests


def _show_training(console: Console, figures: dict[str, Any]) -> None:
    console.say(
        f"   {figures['training_rows']:,} labelled requests to learn from, "
        f"{figures['test_rows']:,} later ones to judge by; {figures['rounds']} rounds"
    )
    console.table(
        ("features", "number", "AUC", "AP", "precision of the top 5 %"),
        [
            (
                name,
                metrics["features"],
                f"{metrics['auc']:.4f}",
                f"{metrics['average_precision']:.4f}",
                f"{metrics['top_precision']:.3f}",
            )
            for name, metrics in figures["sets"].items()
        ],
    )
    console.say(f"   registered and promoted: version {figures['version']}")


def _shown(bar: Bar, what: str) -> Progress:
    return lambda done, total: bar.update(done, total, what)


def _say_what_next(console: Console, settings: Settings, *, keep: bool) -> None:
    console.say()
    if not keep:
        console.say("Everything is stopped. `samestream demo --keep` leaves it running.")
        return
    where = f"--state {os.path.relpath(settings.state_dir)}"
    console.say("It keeps running. Next:")
    console.say(f"   samestream status {where}")
    console.say(f"   samestream verify departure_delay {where}")
    console.say(f"   samestream down {where}")
