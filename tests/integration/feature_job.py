"""Stands in for the live Flink job: feature rows and progress without a computation."""

from kafka import KafkaProducer

from features.fingerprint import view_fingerprint
from features.view import FeatureView
from streaming.kafka.admin import Admin
from streaming.kafka.avro import AvroCodec
from streaming.kafka.client import build_producer
from streaming.kafka.schemas import feature_row_schema, progress_schema
from streaming.kafka.topics import PROGRESS_TOPIC, features_topic
from streaming.local.stack import EmbeddedStack

START_MS = 1_700_000_000_000
STOPS = ("a", "b", "Zürich")


class Job:
    """Writes rows and progress of one view like `stop_definitions.stop`."""

    def __init__(self, stack: EmbeddedStack, view: FeatureView) -> None:
        self.view = view
        with Admin(stack.kafka) as admin:
            admin.create_topics([features_topic(view)], 2)
            admin.create_topics([PROGRESS_TOPIC], 1)
        self.producer: KafkaProducer = build_producer(stack.kafka)
        self.rows = AvroCodec(feature_row_schema(view))
        self.progress = AvroCodec(progress_schema())

    def window(self, slot: int) -> None:
        window_end_ms = START_MS + slot * self.view.window.slide_ms
        for number, name in enumerate(STOPS):
            row = {"stop": name, "window_end_ms": window_end_ms}
            prefix = self.view.name
            row |= {f"{prefix}_count": slot, f"{prefix}_fare_mean": None, f"{prefix}_paid_sum": 0}
            value = self.rows.encode(row)
            self.producer.send(features_topic(self.view), value=value, partition=number % 2)
        record = {
            "view": self.view.name,
            "fingerprint": view_fingerprint(self.view),
            "window_end_ms": window_end_ms,
            "row_count": len(STOPS),
        }
        self.producer.send(PROGRESS_TOPIC, value=self.progress.encode(record), partition=0)

    def windows(self, first: int, end: int) -> None:
        for slot in range(first, end):
            self.window(slot)
        self.producer.flush()
