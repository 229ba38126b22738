"""The topics of a live job: to create them, and what it has written to them."""

from collections import defaultdict
from typing import Any

from features.definitions import Definitions
from features.fingerprint import view_fingerprint
from features.view import FeatureView
from streaming.flink.rest import FlinkUnavailableError, dropped_late_records, live_rest_url
from streaming.kafka.admin import Admin
from streaming.kafka.avro import AvroCodec
from streaming.kafka.connection import KafkaConnection
from streaming.kafka.reader import RangeReader
from streaming.kafka.schemas import feature_row_schema, progress_schema
from streaming.kafka.topics import PROGRESS_TOPIC, features_topic, validated_topic
from streaming.settings import Settings


def create_topics(kafka: KafkaConnection, defined: Definitions, partitions: int) -> None:
    """Create the validated logs, the feature topics and the progress topic."""
    with Admin(kafka) as admin:
        logs = [validated_topic(source) for source in defined.sources]
        admin.create_topics([*logs, *map(features_topic, defined.views)], partitions)
        admin.create_topics([PROGRESS_TOPIC], 1)


def dropped(settings: Settings) -> int | None:
    """Records that Flink dropped as late; None while it does not tell."""
    try:
        return dropped_late_records(live_rest_url(settings))
    except FlinkUnavailableError:
        return None


class Topics:
    """Everything that the job has written so far; each record is read once."""

    def __init__(self, kafka: KafkaConnection) -> None:
        self.admin = Admin(kafka)
        self._reader = RangeReader(kafka)
        self._values: dict[tuple[str, int], list[bytes]] = defaultdict(list)

    def close(self) -> None:
        self._reader.close()
        self.admin.close()

    def values(self, topic: str) -> list[bytes]:
        for partition, end in self.admin.end_offsets(topic, "read_committed").items():
            known = self._values[topic, partition]
            known += [
                record.value or b""
                for record in self._reader.read(topic, partition, len(known), end)
            ]
        return [value for (of, _), known in self._values.items() if of == topic for value in known]

    def rows(self, view: FeatureView) -> dict[tuple[Any, ...], dict[str, Any]]:
        """Rows by window end and keys; a row that was written again must be the same."""
        codec = AvroCodec(feature_row_schema(view))
        found: dict[tuple[Any, ...], dict[str, Any]] = {}
        for value in self.values(features_topic(view)):
            row = codec.decode(value)
            keys = tuple(row.pop(key.name) for key in view.join_keys)
            assert found.setdefault((row.pop("window_end_ms"), keys), row) == row
        return found

    def progress(self, view: FeatureView) -> list[tuple[int, int]]:
        """(window end, rows) in the order of the topic."""
        codec = AvroCodec(progress_schema())
        return [
            (record["window_end_ms"], record["row_count"])
            for record in map(codec.decode, self.values(PROGRESS_TOPIC))
            if record["view"] == view.name and record["fingerprint"] == view_fingerprint(view)
        ]
