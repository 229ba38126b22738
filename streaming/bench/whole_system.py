"""The latency of the whole system: raw event to prediction, every process running."""

import os
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from feature_repo.online_store import connect
from feature_repo.reader import OnlineReader
from feature_repo.rendering import PROJECT
from models.artifact import write_artifact
from streaming.audit.latency import event_to_prediction, percentiles
from streaming.bench.scoring_load import DEFINITIONS, request, requests, service, trained_model
from streaming.kafka.avro import AvroCodec
from streaming.kafka.client import build_producer
from streaming.kafka.partitioning import key_partition
from streaming.kafka.schemas import event_schema
from streaming.kafka.topics import raw_topic
from streaming.local.deployment import deploy
from streaming.local.stack import EmbeddedStack
from streaming.local.system import connected, start_processes
from streaming.local.waiting import wait_until
from streaming.scoring.counters import Tally, scorer_counts
from streaming.scoring.promotion import promote
from streaming.settings import Settings

_STARTED_WITHIN = timedelta(minutes=5)
_SCORED_WITHIN = timedelta(minutes=2)
_STOP_TIMEOUT = timedelta(seconds=30)
_PACE_SECONDS = 0.005
_VERSION = "1"
_FLUSH_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class Latency:
    """How long predictions took, from the producer's send of the raw event.

    Attributes:
        events_per_second: rate that was published.
        p50_ms: median.
        p99_ms: 99th percentile.
        waited_share: share of the events that waited for a view.
        busy_cores: cores that were busy on the machine meanwhile, of all it has.
    """

    events_per_second: float
    p50_ms: float
    p99_ms: float
    waited_share: float
    busy_cores: float


def bench_settings(settings: Settings, stack: EmbeddedStack, clock: str) -> Settings:
    """Return the settings of a system on that stack with the definitions of the benchmark."""
    return connected(settings, stack).model_copy(
        update={"definitions": "streaming.bench.scoring_load", "clock": clock}
    )


def model_directory(settings: Settings) -> Path:
    """Where the one version of the model is."""
    return settings.state_dir / "bench-model" / _VERSION


def promote_bench_model(settings: Settings) -> None:
    """Write the model of the benchmark into the state directory and promote it."""
    trained = trained_model()
    directory = model_directory(settings)
    directory.mkdir(parents=True)
    write_artifact(directory, trained)
    promote(
        settings.kafka,
        service,
        model_name=service.name,
        model_version=_VERSION,
        model_sha256=trained.manifest.booster_sha256,
        model_dir=directory,
    )


def measure_latency(
    settings: Settings, stack: EmbeddedStack, *, per_second: float, seconds: float
) -> Latency:
    """Start every process on a fresh stack, publish, and wait for all predictions.

    Args:
        settings: of the benchmark; the stack over its state directory runs, and is empty.
        stack: that stack.
        per_second: events a second.
        seconds: how long.
    """
    running = bench_settings(settings, stack, "wall")
    deploy(running)
    promote_bench_model(running)
    supervisor = start_processes(running, stack, DEFINITIONS)
    try:
        _wait_complete(running)
        before = _machine_seconds()
        began = time.perf_counter()
        sent = _publish(running, per_second, seconds)
        busy = (_machine_seconds() - before) / (time.perf_counter() - began)
        wait_until(
            lambda: scorer_counts(running.kafka, service)[Tally.PREDICTIONS] >= sent,
            timeout=_SCORED_WITHIN,
            what="all predictions",
        )
        p50, p99 = percentiles(event_to_prediction(running, service))
        waited = scorer_counts(running.kafka, service)[Tally.WAITED]
    finally:
        supervisor.stop(timeout=_STOP_TIMEOUT)
    return Latency(
        events_per_second=sent / seconds,
        p50_ms=p50,
        p99_ms=p99,
        waited_share=waited / sent,
        busy_cores=busy,
    )


def _wait_complete(settings: Settings) -> None:
    reader = OnlineReader(connect(settings.online_store), project=PROJECT, views=DEFINITIONS.views)
    wait_until(
        lambda: None not in reader.complete().values(),
        timeout=_STARTED_WITHIN,
        what="the first window end of every view",
    )


def _publish(settings: Settings, per_second: float, seconds: float) -> int:
    producer, codec = build_producer(settings.kafka, linger_ms=1), AvroCodec(event_schema(requests))
    began = time.perf_counter()
    sent, events = 0, int(per_second * seconds)
    while sent < events:
        due = min(events, int((time.perf_counter() - began) * per_second) + 1)
        for number in range(sent, due):
            event = request(number, time.time_ns() // 1_000_000)
            key = event["event_id"].encode()
            producer.send(
                raw_topic(requests),
                key=key,
                value=codec.encode_single_object(event),
                partition=key_partition(key, settings.partitions),
            )
        sent = due
        time.sleep(_PACE_SECONDS)
    producer.flush(_FLUSH_SECONDS)
    producer.close()
    return sent


def _machine_seconds() -> float:
    """Return how long all cores together have been busy."""
    _, user, nice, system, *_ = Path("/proc/stat").read_text(encoding="utf-8").split()
    return (int(user) + int(nice) + int(system)) / os.sysconf("SC_CLK_TCK")
