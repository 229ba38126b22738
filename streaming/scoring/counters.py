"""What became of the requests of a service: counted, and committed with the offsets."""

import json
from collections import Counter
from collections.abc import Mapping
from enum import StrEnum

from features.service import FeatureService
from streaming.kafka.admin import Admin
from streaming.kafka.connection import KafkaConnection
from streaming.kafka.topics import validated_topic


class Tally(StrEnum):
    """What is counted; the last four count predictions of which at least one view has the mark."""

    PREDICTIONS = "predictions"
    REFUSED = "refused"
    WAITED = "waited"
    STALE = "stale"
    AHEAD = "ahead"
    DEGRADED = "degraded"
    UNKNOWN = "unknown"


Counts = Counter[Tally]


def scorer_group(service: FeatureService) -> str:
    """Consumer group of the scorers of a service."""
    return f"scorer.{service.name}"


def encode_counts(counts: Mapping[Tally, int]) -> str:
    """Return the text that is committed with an offset."""
    return json.dumps(counts, sort_keys=True, separators=(",", ":"))


def decode_counts(metadata: str | None) -> Counts:
    """Return the counts of a committed text; none without one."""
    return Counter({Tally(name): count for name, count in json.loads(metadata or "{}").items()})


def scorer_counts(kafka: KafkaConnection, service: FeatureService) -> dict[Tally, int]:
    """Return what became of all requests of a service so far."""
    total: Counts = Counter(dict.fromkeys(Tally, 0))
    with Admin(kafka) as admin:
        committed = admin.committed(scorer_group(service), validated_topic(service.request))
    for offset in committed.values():
        total.update(decode_counts(offset.metadata))
    return dict(total)
