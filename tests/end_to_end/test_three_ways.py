"""The same 10,000 requests through stream, HTTP and batch: the same bits, by the real processes."""

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest

from feature_repo.offline import offline_schema, table_of_rows
from feature_repo.offline_history import replace_history
from feature_repo.offline_parts import write_part
from feature_repo.online_store import connect
from feature_repo.rendering import PROJECT
from feature_repo.writer import InputSlice, OnlineWriter, ProgressStep, RowStep
from features.fingerprint import view_fingerprint
from streaming.bench.scoring_load import (
    NOW_MS,
    SLIDE_MS,
    feature_values,
    keys,
    request,
    requests,
    service,
    views,
)
from streaming.bench.whole_system import model_directory, promote_bench_model
from streaming.kafka.admin import Admin
from streaming.kafka.avro import AvroCodec
from streaming.kafka.partitioning import key_partition
from streaming.kafka.reader import RangeReader
from streaming.kafka.record import OutputRecord
from streaming.kafka.schemas import event_schema, prediction_schema
from streaming.kafka.topics import http_predictions_topic, predictions_topic, validated_topic
from streaming.kafka.writer import TransactionalWriter
from streaming.local.deployment import deploy
from streaming.local.ports import free_port
from streaming.local.stack import EmbeddedStack
from streaming.local.system import environment
from streaming.local.waiting import wait_until
from streaming.settings import Settings

pytestmark = [pytest.mark.kafka, pytest.mark.valkey, pytest.mark.end_to_end]

REQUESTS = 10_000
ENTITIES = 400
SLOTS = 12
SOON = timedelta(seconds=120)

# Vector, score and decision of a request; every null is one NaN.
Bits = tuple[bytes, bytes, bool]


def asked() -> list[dict[str, Any]]:
    """Requests of known and unknown entities, at many times."""
    rng = random.Random(6)
    found = []
    for number in range(REQUESTS):
        each = request(number, NOW_MS - rng.randrange(SLOTS * SLIDE_MS + 30_000))
        entity = rng.randrange(ENTITIES + 50)
        each |= {"card": entity, "terminal": entity % 3, "merchant": f"merchant {entity}"}
        found.append(each)
    return found


@pytest.fixture(scope="module")
def settings(stack: EmbeddedStack, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A system whose two stores hold the same rows, and a promoted model."""
    made = Settings(
        definitions="streaming.bench.scoring_load",
        state_dir=tmp_path_factory.mktemp("ways"),
        bootstrap_servers=stack.bootstrap_servers,
        online_store=stack.redis_address,
        partitions=2,
        clock="replay",
        http_port=free_port(),
    )
    deploy(made)
    fill_stores(made)
    promote_bench_model(made)
    return made


def fill_stores(settings: Settings) -> None:
    writer = OnlineWriter(
        connect(settings.online_store), project=PROJECT, views=views, ring_slides=100
    )
    steps: list[Any] = []
    progress = []
    for view in views:
        newest_ms = view.as_of(NOW_MS)
        rows = [
            {
                **keys(view, number),
                "window_end_ms": newest_ms - slot * SLIDE_MS,
                **feature_values(view, number * 13 + slot),
            }
            for slot in reversed(range(SLOTS))
            for number in range(ENTITIES)
            if (number + slot) % 3
        ]
        source = InputSlice(
            topic=f"ways.{view.name}", partition=0, first_offset=0, next_offset=len(rows)
        )
        steps.append(RowStep(view=view, rows=rows, source=source))
        for slot in reversed(range(SLOTS)):
            end_ms = newest_ms - slot * SLIDE_MS
            progress.append(
                {
                    "view": view.name,
                    "fingerprint": view_fingerprint(view),
                    "window_end_ms": end_ms,
                    "row_count": sum(row["window_end_ms"] == end_ms for row in rows),
                }
            )
        written = settings.state_dir / f"{view.name}.written"
        table = table_of_rows(view, [tuple(row.values()) for row in rows])
        part = write_part(written, offline_schema(view), [table])
        replace_history(settings.offline_dir, view, written, part, newest_ms)
    source = InputSlice(
        topic="ways.progress", partition=0, first_offset=0, next_offset=len(progress)
    )
    writer.apply([*steps, ProgressStep(records=progress, source=source)])


@contextmanager
def running(settings: Settings, *arguments: str) -> Iterator[None]:
    process = subprocess.Popen(
        [sys.executable, "-m", "streaming.cli", *arguments],
        env={**os.environ, **environment(settings)},
        start_new_session=True,
    )
    try:
        yield
        process.terminate()
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()


def bits_of(record: dict[str, Any]) -> Bits:
    vector = [np.nan if each is None else each for each in record["vector"]]
    values = np.array(vector, dtype=np.float64)
    return values.tobytes(), np.float32(record["score"]).tobytes(), bool(record["decision"])


def by_id(records: Sequence[dict[str, Any]]) -> dict[str, Bits]:
    assert len({record["event_id"] for record in records}) == len(records)
    return {record["event_id"]: bits_of(record) for record in records}


def predictions(settings: Settings, topic: str) -> list[dict[str, Any]]:
    codec = AvroCodec(prediction_schema())
    reader = RangeReader(settings.kafka)
    try:
        with Admin(settings.kafka) as admin:
            ends = admin.end_offsets(topic, "read_committed")
        return [
            codec.decode(codec.bare(record.value or b""))
            for partition, end in ends.items()
            for record in reader.read(topic, partition, 0, end)
        ]
    finally:
        reader.close()


def by_stream(settings: Settings) -> dict[str, Bits]:
    codec = AvroCodec(event_schema(requests))
    with running(settings, "run", "scorer", service.name):
        with TransactionalWriter(settings.kafka, "ways") as writer:
            for each in asked():
                key = each["event_id"].encode()
                partition = key_partition(key, settings.partitions)
                topic = validated_topic(requests)
                writer.write(OutputRecord(topic, partition, key, codec.encode(each)))
            writer.commit()
        found: list[dict[str, Any]] = []

        def is_answered() -> bool:
            found[:] = predictions(settings, predictions_topic(service))
            return len(found) >= REQUESTS

        wait_until(is_answered, timeout=SOON, what="the predictions of the stream")
    return by_id(found)


def by_http(settings: Settings, per_call: int, threads: int) -> dict[str, Bits]:
    url = f"http://127.0.0.1:{settings.http_port}"
    every = asked()
    calls = [every[first : first + per_call] for first in range(0, REQUESTS, per_call)]

    def ask(client: httpx.Client) -> Callable[[list[dict[str, Any]]], list[dict[str, Any]]]:
        def call(part: list[dict[str, Any]]) -> list[dict[str, Any]]:
            path = f"/v1/services/{service.name}/predictions"
            response = client.post(path, json={"requests": part})
            assert response.status_code == 200, response.text
            answered: list[dict[str, Any]] = json.loads(response.content)["predictions"]
            return answered

        return call

    with httpx.Client(base_url=url, timeout=30) as client, ThreadPoolExecutor(threads) as pool:
        return by_id([record for part in pool.map(ask(client), calls) for record in part])


def by_batch(settings: Settings, directory: Path) -> dict[str, Bits]:
    path, out = directory / "requests.parquet", directory / "predictions.parquet"
    pd.DataFrame(asked()).to_parquet(path, index=False)
    command = ["predict", "--service", service.name, "--requests", str(path), "--out", str(out)]
    command += ["--model", str(model_directory(settings)), "--state", str(settings.state_dir)]
    subprocess.run(
        [sys.executable, "-m", "streaming.cli", *command],
        env={**os.environ, **environment(settings)},
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return by_id(pd.read_parquet(out).to_dict("records"))


def is_up(settings: Settings) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{settings.http_port}/readyz").status_code == 200
    except httpx.TransportError:
        return False


def test_stream_http_and_batch_give_the_same_bits(settings: Settings, tmp_path: Path) -> None:
    streamed = by_stream(settings)
    with running(settings, "run", "serve"):
        wait_until(lambda: is_up(settings), timeout=SOON, what="the endpoint")
        hundreds = by_http(settings, per_call=100, threads=2)
        singles = by_http(settings, per_call=1, threads=8)
    batch = by_batch(settings, tmp_path)

    assert len(streamed) == REQUESTS
    assert hundreds == streamed
    assert singles == streamed
    assert batch == streamed
    # What was answered over HTTP is in the log, bit for bit.
    logged = predictions(settings, http_predictions_topic(service))
    assert len(logged) == 2 * REQUESTS
    assert {record["event_id"]: bits_of(record) for record in logged} == streamed
    # Negative control: the requests have many answers, so that another one would be noticed.
    assert len(set(streamed.values())) > 500
    assert {decision for _, _, decision in streamed.values()} == {True, False}
