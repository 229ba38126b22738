"""The same job as the documentation of Feast and of Quix Streams shows it, event by event."""

import io
import time
from pathlib import Path
from typing import Any

import fastavro
import numpy as np

from models.booster import load_booster, predict
from streaming.bench.loops import Run
from streaming.bench.scoring_load import requests, service, trained_model, views
from streaming.bench.stock_feast import open_stock
from streaming.kafka.connection import KafkaConnection
from streaming.kafka.schemas import event_schema
from streaming.kafka.topics import validated_topic
from streaming.local.wheels import import_wheel

_GROUP = "bench.by_the_docs"


def run_by_the_docs(
    kafka: KafkaConnection, online_store: str, directory: Path, records: int, copied: str
) -> Run:
    """Consume, ask Feast, predict, produce; at least once, committed every 5 seconds."""
    stock = open_stock(directory, online_store)
    features = stock.get_feature_service(service.name)
    booster = load_booster(trained_model().booster, nthread=1)
    schema = fastavro.parse_schema(event_schema(requests))
    keys = sorted({key.name for view in views for key in view.join_keys})
    began: list[tuple[float, float]] = []

    def score(value: bytes) -> dict[str, Any]:
        if not began:
            began.append((time.perf_counter(), time.process_time()))
        event: Any = fastavro.schemaless_reader(io.BytesIO(value), schema, None)
        entity = {key: event[key] for key in keys}
        row = stock.get_online_features(features, [entity]).to_df()
        vector = row[list(service.features)].to_numpy(dtype=np.float64)
        return {"event_id": event["event_id"], "score": float(predict(booster, vector)[0])}

    app = import_wheel("quixstreams", "bench").Application(
        broker_address=kafka.bootstrap_servers,
        consumer_group=_GROUP,
        auto_offset_reset="earliest",
        loglevel="WARNING",
    )
    asked = app.topic(validated_topic(requests), value_deserializer="bytes")
    answers = app.topic(copied, value_serializer="json")
    app.dataframe(asked).apply(score).to_topic(answers)
    app.run(count=records, collect=False)
    wall, cpu = began[0]
    return Run(
        records=records,
        wall_seconds=time.perf_counter() - wall,
        cpu_seconds=time.process_time() - cpu,
    )
