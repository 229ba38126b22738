"""`samestream bench scoring`: the scorer and its store beside plain ways, on the same servers."""

import json
import statistics
from dataclasses import asdict
from pathlib import Path
from typing import Any

from streaming.bench.by_the_docs import run_by_the_docs
from streaming.bench.http_load import HttpTimings, time_endpoint
from streaming.bench.loops import Run, run_copy
from streaming.bench.processes import in_child
from streaming.bench.scoring_load import NOW_MS, request, requests
from streaming.bench.scoring_report import show_report
from streaming.bench.scoring_workers import predictions_per_second, run_scorer, run_stock_scorer
from streaming.bench.store_timings import StoreTimings, fill_stores, time_store
from streaming.bench.whole_system import bench_settings, measure_latency, promote_bench_model
from streaming.console import Console
from streaming.kafka.admin import Admin
from streaming.kafka.avro import AvroCodec
from streaming.kafka.connection import KafkaConnection
from streaming.kafka.partitioning import key_partition
from streaming.kafka.record import OutputRecord
from streaming.kafka.schemas import event_schema
from streaming.kafka.topics import validated_topic
from streaming.kafka.writer import TransactionalWriter
from streaming.local.deployment import deploy
from streaming.local.stack import EmbeddedStack
from streaming.local.state import StateDirectory
from streaming.settings import Settings

_COPIED = "bench_copied"
_BY_THE_DOCS = "bench_by_the_docs"
_COMMIT_RECORDS = 20_000
# Feast's own calls take so much longer that fewer events tell as much.
_STOCK_SHARE = 6
_LEAST_RECORDS = 1_000
_DOCS_RECORDS = 300
_LATENCY_SECONDS = 60.0


def bench_scoring(
    settings: Settings, *, events: int, rounds: int, rate: float, json_file: Path | None
) -> None:
    """Measure everything by turns, print the ratios, and write them if asked.

    Args:
        settings: the state directory, which is emptied first; jars.
        events: requests of each round.
        rounds: of each way.
        rate: events a second at which the latency of the whole system is measured.
        json_file: receives the figures.
    """
    console = Console()
    stack = EmbeddedStack(StateDirectory(settings.state_dir), settings.jar_cache)
    with stack.stopped_on_failure():
        stack.reset()
        with console.step("Start Kafka and Valkey"), console.bar() as bar:
            stack.start(bar.downloaded)
        report = _side_by_side(console, settings, stack, events, rounds)
        stack.stop()
        stack.reset()
        with console.step("The whole system, from raw event to prediction"):
            stack.start(lambda *_: None)
            latency = measure_latency(settings, stack, per_second=rate, seconds=_LATENCY_SECONDS)
            report["latency"] = asdict(latency)
        stack.stop()
    show_report(console, report)
    if json_file is not None:
        json_file.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def _side_by_side(
    console: Console, settings: Settings, stack: EmbeddedStack, events: int, rounds: int
) -> dict[str, Any]:
    directory, kafka, store = settings.state_dir / "stock", stack.kafka, stack.redis_address
    running = bench_settings(settings, stack, clock="replay")
    deploy(running)
    promote_bench_model(running)
    with console.step("Fill both online stores: 3 views of 10,000 entities"):
        in_child(fill_stores, store, directory)
    with console.step("Reads and writes of the store, by turns"):
        timings = in_child(time_store, store, directory, rounds)
    with console.step(f"Publish {events:,} requests"):
        _publish(kafka, events)
    with console.step(f"{rounds} rounds of the loops, by turns"):
        runs = [_round(console, stack, directory, number, events) for number in range(rounds)]
    with console.step("The model alone"):
        alone = statistics.median(in_child(predictions_per_second, rounds))
    with console.step("The endpoint"):
        http = time_endpoint(running)
    few = min(events, _DOCS_RECORDS)
    with console.step(f"{few} events as the documentation of Feast and Quix Streams shows it"):
        documented = in_child(run_by_the_docs, kafka, store, directory, few, _BY_THE_DOCS)
    return _report(runs, timings, http, alone, documented)


def _publish(kafka: KafkaConnection, events: int) -> None:
    """Write requests to the validated log, as intake does."""
    topic, codec = validated_topic(requests), AvroCodec(event_schema(requests))
    with Admin(kafka) as admin:
        partitions = len(admin.partitions([topic])[topic])
        admin.create_topics([_COPIED, _BY_THE_DOCS], partitions)
    with TransactionalWriter(kafka, "bench.requests") as writer:
        for number in range(events):
            event = request(number, NOW_MS)
            key = event["event_id"].encode()
            partition = key_partition(key, partitions)
            writer.write(OutputRecord(topic, partition, key, codec.encode(event)))
            if writer.pending >= _COMMIT_RECORDS:
                writer.commit()
        writer.commit()


def _round(
    console: Console, stack: EmbeddedStack, directory: Path, number: int, events: int
) -> tuple[Run, Run, Run]:
    name, few = str(number), max(_LEAST_RECORDS, events // _STOCK_SHARE)
    kafka, store = stack.kafka, stack.redis_address
    bare = in_child(run_copy, kafka, validated_topic(requests), _COPIED, events, name)
    scorer = in_child(run_scorer, kafka, store, events, name)
    stock = in_child(run_stock_scorer, kafka, store, directory, few, f"stock{name}")
    for what, run in (("bare loop", bare), ("scorer", scorer), ("Feast's reads", stock)):
        speed = f"{run.per_second:,.0f} events/s, {run.cpu_microseconds:.1f} us of CPU each"
        console.say(f"   {what}: {speed}")
    return bare, scorer, stock


def _report(
    runs: list[tuple[Run, Run, Run]],
    timings: StoreTimings,
    http: HttpTimings,
    alone: float,
    documented: Run,
) -> dict[str, Any]:
    bare, scorer, stock = (list(side) for side in zip(*runs, strict=True))
    scored = statistics.median(run.per_second for run in scorer)
    return {
        "scorer_to_bare_loop": _cpu_ratio(bare, scorer),
        "scorer_to_stock_feast": _cpu_ratio(stock, scorer),
        "scorer_to_by_the_docs": scored / documented.per_second,
        "scorer_to_bare_predict": scored / alone,
        "http_to_bare_predict": http.batch_per_second / alone,
        "http_p99_to_p50": http.single_p99_ms / http.single_p50_ms,
        "read_to_raw_pipeline_time": _ratio(timings.batch_read, timings.raw_pipeline),
        "read_to_feast_read": _ratio(timings.feast_read, timings.batch_read),
        "write_to_feast_write": _ratio(timings.feast_write, timings.batch_write),
        "loops": {
            name: {
                "events_per_second": statistics.median(run.per_second for run in side),
                "cpu_microseconds_per_event": statistics.median(
                    run.cpu_microseconds for run in side
                ),
            }
            for name, side in (
                ("bare_loop", bare),
                ("stream_scorer", scorer),
                ("with_feast_reads", stock),
                ("by_the_docs", [documented]),
            )
        },
        "http": asdict(http),
        "bare_predictions_per_second": alone,
    }


def _cpu_ratio(slow: list[Run], fast: list[Run]) -> float:
    pairs = zip(slow, fast, strict=True)
    return statistics.median(one.cpu_microseconds / other.cpu_microseconds for one, other in pairs)


def _ratio(numerators: list[float], denominators: list[float]) -> float:
    pairs = zip(numerators, denominators, strict=True)
    return statistics.median(one / other for one, other in pairs)
