"""`samestream bench intake`: the gate beside a loop that only copies, on the same broker."""

import json
import statistics
from pathlib import Path
from typing import Any

from features.source import EventSource
from streaming.bench.intake_load import PARTITIONS, bench_source, raw_records
from streaming.bench.intake_workers import latencies_ms, publish_at, run_intake
from streaming.bench.loops import Run, run_copy
from streaming.bench.processes import goal_word, in_child, processes
from streaming.console import Console
from streaming.kafka.admin import Admin
from streaming.kafka.connection import KafkaConnection
from streaming.kafka.topics import raw_topic
from streaming.kafka.writer import TransactionalWriter
from streaming.local.stack import EmbeddedStack
from streaming.local.state import StateDirectory
from streaming.settings import Settings

_GOAL_RATIO = 0.60
_GOAL_P99_MS = 100.0
_WARM_UP_SECONDS = 6
_LATENCY_SECONDS = 15
_COMMIT_RECORDS = 20_000


def bench_intake(settings: Settings, *, events: int, rounds: int, json_file: Path | None) -> None:
    """Measure both loops by turns, then the latency at half the load; print, and write if asked.

    Args:
        settings: the state directory, which is emptied first; jars.
        events: raw records of each round.
        rounds: of each loop.
        json_file: receives the figures.
    """
    console = Console()
    stack = EmbeddedStack(StateDirectory(settings.state_dir), settings.jar_cache)
    with stack.stopped_on_failure():
        stack.reset()
        with console.step("Start Kafka"), console.bar() as bar:
            stack.start(bar.downloaded)
        with console.step(f"{rounds} rounds of {events:,} raw records, each loop by turns"):
            runs = [_round(console, stack.kafka, number, events) for number in range(rounds)]
        report = _throughput(runs)
        with console.step("Latency at half that load"):
            rate = report["intake"]["events_per_second"] / 2
            report["latency"] = _latency(stack.kafka, rate)
        stack.stop()
    _show(console, report)
    if json_file is not None:
        json_file.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def _round(console: Console, kafka: KafkaConnection, number: int, events: int) -> tuple[Run, Run]:
    source = bench_source(f"bench_{number}")
    copied = f"{source.name}.copied"
    _create(kafka, source, copied)
    with TransactionalWriter(kafka, f"bench.{number}") as writer:
        for record in raw_records(source, events):
            writer.write(record)
            if writer.pending >= _COMMIT_RECORDS:
                writer.commit()
        writer.commit()
    bare = in_child(run_copy, kafka, raw_topic(source), copied, events)
    intake = in_child(run_intake, kafka, source, "replay", events)
    console.say(f"   bare loop {_speed(bare)}; intake {_speed(intake)}")
    return bare, intake


def _create(kafka: KafkaConnection, source: EventSource, *more: str) -> None:
    with Admin(kafka) as admin:
        admin.create_source_topics(source, PARTITIONS)
        if more:
            admin.create_topics(list(more), PARTITIONS)


def _latency(kafka: KafkaConnection, per_second: float) -> dict[str, float]:
    source = bench_source("bench_latency")
    warm_up, events = (int(per_second * each) for each in (_WARM_UP_SECONDS, _LATENCY_SECONDS))
    _create(kafka, source)
    with processes(3) as pool:
        intake = pool.submit(run_intake, kafka, source, "wall", warm_up + events)
        listened = pool.submit(latencies_ms, kafka, source, warm_up, events)
        published = pool.submit(publish_at, kafka, source, warm_up + events, per_second)
        reached = published.result()
        p50, p99 = listened.result()
        intake.result()
    return {"events_per_second": reached, "p50_ms": p50, "p99_ms": p99}


def _throughput(runs: list[tuple[Run, Run]]) -> dict[str, Any]:
    figures = {
        name: {
            "events_per_second": statistics.median(run.per_second for run in side),
            "cpu_microseconds_per_event": statistics.median(run.cpu_microseconds for run in side),
        }
        for name, side in zip(("bare_loop", "intake"), zip(*runs, strict=True), strict=True)
    }
    return {
        **figures,
        "ratio_to_bare_loop": statistics.median(
            bare.cpu_seconds / intake.cpu_seconds for bare, intake in runs
        ),
        "wall_ratio_to_bare_loop": statistics.median(
            bare.wall_seconds / intake.wall_seconds for bare, intake in runs
        ),
    }


def _speed(run: Run) -> str:
    return f"{run.per_second:,.0f} events/s, {run.cpu_microseconds:.1f} us of CPU each"


def _show(console: Console, report: dict[str, Any]) -> None:
    console.say()
    console.table(
        ("median", "events/s", "CPU us/event"),
        [
            (
                name.replace("_", " "),
                f"{report[name]['events_per_second']:,.0f}",
                f"{report[name]['cpu_microseconds_per_event']:.1f}",
            )
            for name in ("bare_loop", "intake")
        ],
    )
    ratio, latency = report["ratio_to_bare_loop"], report["latency"]
    console.say()
    console.say(
        f"Events/s per core, intake to bare loop: {ratio:.2f} "
        f"(goal {_GOAL_RATIO:.2f}, {goal_word(met=ratio >= _GOAL_RATIO)})"
    )
    console.say(
        f"At {latency['events_per_second']:,.0f} events/s, made to readable: "
        f"p50 {latency['p50_ms']:.0f} ms, p99 {latency['p99_ms']:.0f} ms "
        f"(goal {_GOAL_P99_MS:.0f} ms, {goal_word(met=latency['p99_ms'] <= _GOAL_P99_MS)})"
    )
