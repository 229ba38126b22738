"""A small system for the tests of the endpoint: history, its rows in the store, models, servers."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
from endpoint_definitions import DEFINITIONS, by_card, payments

from feature_repo.online_store import connect
from feature_repo.rendering import PROJECT
from feature_repo.writer import InputSlice, OnlineWriter, ProgressStep, RowStep
from features.evaluator import evaluate
from features.fingerprint import view_fingerprint
from features.service import FeatureService
from models.artifact import write_artifact
from models.train import train
from streaming.kafka.admin import Admin
from streaming.kafka.avro import AvroCodec
from streaming.kafka.reader import RangeReader
from streaming.kafka.record import OutputRecord
from streaming.kafka.schemas import event_schema, prediction_schema
from streaming.kafka.topics import http_predictions_topic, validated_topic
from streaming.kafka.writer import TransactionalWriter
from streaming.local.deployment import create_topics
from streaming.local.ports import free_port
from streaming.local.stack import EmbeddedStack
from streaming.local.system import environment
from streaming.local.waiting import wait_until
from streaming.scoring.promotion import promote
from streaming.settings import Settings
from tests import tiny_model

SLIDE_MS = by_card.window.slide_ms
# The window end up to which the log says what the views are.
COMPLETE_MS = 5_666_700 * SLIDE_MS
CLOCK_MS = COMPLETE_MS + SLIDE_MS + payments.lateness_ms - 1
CARDS = ("a", "b", "c")
SOON = timedelta(seconds=60)


def history() -> list[dict[str, Any]]:
    """Payments of two hours before `COMPLETE_MS`, in order."""
    return [
        {
            "event_id": f"h{number}",
            "event_time_ms": COMPLETE_MS - 7_200_000 + number * 60_000,
            "card": CARDS[number % 3],
            "country": ("de", "fr", None, "us")[number % 4],
            "amount": number,
            "fraud": None,
        }
        for number in range(119)
    ]


class EndpointSystem:
    """Everything that an endpoint needs, on the stack of the session."""

    def __init__(self, stack: EmbeddedStack, state: Path) -> None:
        self.settings = Settings(
            definitions="endpoint_definitions",
            state_dir=state,
            bootstrap_servers=stack.bootstrap_servers,
            online_store=stack.redis_address,
            partitions=1,
            clock="replay",
            http_queue_requests=100,
            http_timeout_seconds=2.0,
            http_wait_seconds=0.2,
            store_timeout_seconds=0.5,
        )
        create_topics(self.settings, DEFINITIONS)

    def write_log(self) -> None:
        codec = AvroCodec(event_schema(payments))
        end = {"event_time_ms": COMPLETE_MS + payments.lateness_ms}
        with TransactionalWriter(self.settings.kafka, "endpoint-test") as writer:
            for event in [*history(), end]:
                value = codec.encode(event)
                writer.write(OutputRecord(validated_topic(payments), 0, None, value))
            writer.commit()

    def fill_store(self) -> None:
        rows = [
            {"card": row.keys[0], "window_end_ms": row.window_end_ms, **row.values}
            for row in evaluate(by_card, history(), COMPLETE_MS)
        ]
        ends = range(COMPLETE_MS - 10_800_000, COMPLETE_MS + 1, SLIDE_MS)
        progress = [
            {
                "view": by_card.name,
                "fingerprint": view_fingerprint(by_card),
                "window_end_ms": end,
                "row_count": sum(row["window_end_ms"] == end for row in rows),
            }
            for end in ends
        ]
        writer = OnlineWriter(
            connect(self.settings.online_store), project=PROJECT, views=[by_card], ring_slides=100
        )
        writer.apply(
            [
                RowStep(view=by_card, rows=rows, source=_slice("endpoint.rows", len(rows))),
                ProgressStep(records=progress, source=_slice("endpoint.progress", len(ends))),
            ]
        )

    def promote(self, service: FeatureService, version: str = "1", **changed: Any) -> None:
        """Promote a model; with changes of its manifest it is the same booster."""
        names = {"card_1h_count": "endpoint_by_card_count"}
        names["card_1h_country_last"] = "endpoint_by_card_country_last"
        frame = tiny_model.frame().rename(columns=names)
        split_ms = 1_000 * tiny_model.MINUTE_MS
        model = train(service, frame, split_ms=split_ms, nthread=1)
        model = replace(model, manifest=replace(model.manifest, **changed))
        directory = self.settings.state_dir / service.name / version
        directory.mkdir(parents=True)
        write_artifact(directory, model)
        promote(
            self.settings.kafka,
            service,
            model_name=service.name,
            model_version=version,
            model_sha256=model.manifest.booster_sha256,
            model_dir=directory,
        )

    def logged(self, service: FeatureService) -> list[dict[str, Any]]:
        """Every prediction that was answered over HTTP, or should have been."""
        codec = AvroCodec(prediction_schema())
        topic = http_predictions_topic(service)
        with Admin(self.settings.kafka) as admin:
            end = admin.end_offsets(topic, "read_committed")[0]
        reader = RangeReader(self.settings.kafka)
        try:
            values = [record.value or b"" for record in reader.read(topic, 0, 0, end)]
        finally:
            reader.close()
        return [codec.decode(codec.bare(value)) for value in values]


class Server:
    """`samestream run serve` in a process of its own."""

    def __init__(self, settings: Settings, log: Path) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.port = port
        settings = settings.model_copy(update={"http_port": port})
        path = {"PYTHONPATH": os.pathsep.join(sys.path)}
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "streaming.cli", "run", "serve"],
                env=os.environ | path | environment(settings),
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def is_ready(self) -> bool:
        if self.process.poll() is not None:
            msg = f"the server ended with exit code {self.process.returncode}"
            raise AssertionError(msg)
        try:
            return httpx.get(f"{self.url}/readyz").status_code == 200
        except httpx.TransportError:
            return False

    def terminate(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


@contextmanager
def serving(settings: Settings, log: Path) -> Iterator[Server]:
    """A server that is ready; it has to end well."""
    server = Server(settings, log)
    try:
        wait_until(server.is_ready, timeout=SOON, what="the endpoint to be ready")
        yield server
        assert server.process.poll() is not None or server.terminate() == 0
    finally:
        server.process.kill()
        server.process.wait()


def request(event_id: str, card: str = "a", **values: Any) -> dict[str, Any]:
    return {"event_id": event_id, "card": card, "country": "de", "amount": 7, **values}


def _slice(topic: str, count: int) -> InputSlice:
    return InputSlice(topic=topic, partition=0, first_offset=0, next_offset=count)
