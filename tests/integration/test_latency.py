"""Latencies from the send times of real records."""

import uuid
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from feature_repo.offline import view_id
from feature_repo.online_layout import ProjectLayout
from feature_repo.online_store import connect
from feature_repo.rendering import PROJECT
from features.aggregation import Count
from features.definitions import Definitions
from features.entity import Entity
from features.fields import Bool, Field, String
from features.instant import EPOCH
from features.service import FeatureService, Label
from features.source import EventSource
from features.view import FeatureView
from features.window import SlidingWindow
from streaming.audit.latency import boundary_to_complete, event_to_prediction, percentiles
from streaming.kafka.admin import Admin
from streaming.kafka.avro import AvroCodec
from streaming.kafka.client import build_producer
from streaming.kafka.schemas import event_schema, prediction_schema
from streaming.kafka.topics import predictions_topic, raw_topic
from streaming.local.stack import EmbeddedStack
from streaming.settings import Settings

pytestmark = [pytest.mark.kafka, pytest.mark.valkey]

SENT_MS = 1_700_000_000_000
LATENESS_MS = 1_000


def definitions() -> Definitions:
    name = f"latency_{uuid.uuid4().hex[:8]}"
    source = EventSource(
        name=name,
        fields=(Field(name="item", type=String()), Field(name="good", type=Bool())),
        lateness=timedelta(milliseconds=LATENESS_MS),
        earliest=EPOCH,
        max_clock_skew=timedelta(milliseconds=500),
    )
    window = SlidingWindow(size=timedelta(seconds=1), slide=timedelta(seconds=1))
    view = FeatureView(
        name=f"{name}_view",
        source=source,
        entity=Entity(name="item", join_keys=("item",)),
        window=window,
        aggregations=(Count(),),
    )
    service = FeatureService(
        name=f"{name}_service",
        request=source,
        views=(view,),
        on_demand=(),
        features=(f"{name}_view_count",),
        label=Label(source=source, column="good"),
    )
    return Definitions(views=(view,), services=(service,))


def prediction(event_id: str) -> dict[str, Any]:
    return {
        "event_id": event_id,
        "event_time_ms": 1,
        "service": "s",
        "fingerprint": "f",
        "keys": {},
        "score": 0.5,
        "decision": False,
        "model_name": "m",
        "model_version": "1",
        "model_sha256": "0",
        "vector": [],
        "views": [],
        "source_topic": "t",
        "source_partition": 0,
        "source_offset": 0,
        "scored_at_ms": 1,
    }


def test_latencies_are_differences_of_send_times(stack: EmbeddedStack) -> None:
    known = definitions()
    (view,), (service,) = known.views, known.services
    source = view.source
    settings = Settings(bootstrap_servers=stack.bootstrap_servers, online_store=stack.redis_address)
    with Admin(stack.kafka) as admin:
        admin.create_source_topics(source, 2)
        admin.create_topics([predictions_topic(service)], 2)
    events = AvroCodec(event_schema(source))
    producer = build_producer(stack.kafka)

    def send(topic: str, value: bytes, after_ms: int, partition: int = 0) -> None:
        producer.send(
            topic, key=b"k", value=value, partition=partition, timestamp_ms=SENT_MS + after_ms
        )

    def raw(record: dict[str, Any], after_ms: int, partition: int = 0) -> None:
        send(raw_topic(source), events.encode_single_object(record), after_ms, partition)

    for number, event_id in enumerate(("a", "b", "a")):
        raw({"event_id": event_id, "event_time_ms": 1, "item": "i", "good": True}, number * 10)
    send(raw_topic(source), b"no event", 0)
    raw({"event_time_ms": 5_000 + LATENESS_MS}, 100, partition=0)
    raw({"event_time_ms": 5_000 + LATENESS_MS}, 140, partition=1)

    codec = AvroCodec(prediction_schema())
    for event_id, after_ms in (("a", 70), ("b", 95), ("imported", 99)):
        content = codec.encode_single_object(prediction(event_id))
        send(predictions_topic(service), content, after_ms)

    producer.flush(30)
    producer.close()
    redis = connect(stack.redis_address)
    for window_end_ms in (4_000, 5_000):
        completions = ProjectLayout(PROJECT).completions(view_id(view))
        redis.rpush(completions, f"{window_end_ms}:{SENT_MS + 205}")

    assert event_to_prediction(settings, service).tolist() == [70, 85]
    assert boundary_to_complete(settings, known).tolist() == [65]


def test_percentiles() -> None:
    assert percentiles(np.arange(101, dtype=np.float64)) == (50, 99)
    assert np.isnan(percentiles(np.array([], dtype=np.float64))).all()
