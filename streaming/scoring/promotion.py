"""Promotions: which model a service uses from when on, as records in `models.<service>`."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from features.service import FeatureService
from streaming.kafka.admin import Admin
from streaming.kafka.client import FLUSH_TIMEOUT_SECONDS, build_producer
from streaming.kafka.connection import KafkaConnection
from streaming.kafka.reader import RangeReader
from streaming.kafka.topics import promotions_topic, validated_topic


@dataclass(frozen=True, kw_only=True)
class Promotion:
    """One promotion of a model version.

    Attributes:
        service: name of the feature service.
        model_name: name in the registry.
        model_version: version in the registry.
        model_sha256: checksum of the booster.
        model_dir: directory of the version's files.
        request_offsets: end of the request log at the promotion, by partition; a service serves
            the requests from its first promotion on.
    """

    service: str
    model_name: str
    model_version: str
    model_sha256: str
    model_dir: str
    request_offsets: dict[int, int]

    @property
    def path(self) -> Path:
        """Directory of the version's files."""
        return Path(self.model_dir)


def promote(
    kafka: KafkaConnection,
    service: FeatureService,
    *,
    model_name: str,
    model_version: str,
    model_sha256: str,
    model_dir: Path,
) -> Promotion:
    """Publish a promotion and return it once the broker has confirmed it."""
    with Admin(kafka) as admin:
        offsets = admin.end_offsets(validated_topic(service.request), "read_committed")
    promotion = Promotion(
        service=service.name,
        model_name=model_name,
        model_version=model_version,
        model_sha256=model_sha256,
        model_dir=str(model_dir),
        request_offsets=offsets,
    )
    producer = build_producer(kafka)
    try:
        sent = producer.send(
            promotions_topic(service),
            key=service.name.encode(),
            value=json.dumps(asdict(promotion)).encode(),
            partition=0,
        )
        sent.get(timeout=FLUSH_TIMEOUT_SECONDS)
    finally:
        producer.close(timeout=FLUSH_TIMEOUT_SECONDS)
    return promotion


def read_promotions(kafka: KafkaConnection, service: FeatureService) -> list[Promotion]:
    """Return every promotion of a service, oldest first."""
    topic = promotions_topic(service)
    with Admin(kafka) as admin:
        end = admin.end_offsets(topic, "read_committed")[0]
    reader = RangeReader(kafka)
    try:
        return [
            parse_promotion(record.value)
            for record in reader.read(topic, 0, 0, end)
            if record.value is not None
        ]
    finally:
        reader.close()


def parse_promotion(value: bytes) -> Promotion:
    """Return the promotion of a record of `models.<service>`."""
    content = json.loads(value)
    offsets = {int(number): offset for number, offset in content["request_offsets"].items()}
    return Promotion(**{**content, "request_offsets": offsets})
