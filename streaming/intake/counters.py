"""Counts of outcomes: committed with the offsets, so they change with the log or not at all."""

import json
from collections import Counter
from collections.abc import Mapping

from features.source import EventSource
from streaming.intake.gate import Outcome
from streaming.kafka.admin import Admin
from streaming.kafka.connection import KafkaConnection
from streaming.kafka.topics import raw_topic


def intake_group(source: EventSource) -> str:
    """Consumer group of the intake of a source."""
    return f"intake.{source.name}"


def encode_counters(counters: Mapping[Outcome, int]) -> str:
    """Return the text that is committed with an offset."""
    return json.dumps(counters, sort_keys=True, separators=(",", ":"))


def decode_counters(metadata: str | None) -> dict[Outcome, int]:
    """Return the counters of a committed text; none without one."""
    return {Outcome(name): count for name, count in json.loads(metadata or "{}").items()}


def intake_counters(kafka: KafkaConnection, source: EventSource) -> dict[Outcome, int]:
    """Return how many raw records of a source had each outcome, over the life of its log."""
    total: Counter[Outcome] = Counter(dict.fromkeys(Outcome, 0))
    for counters in partition_counters(kafka, source).values():
        total.update(counters)
    return dict(total)


def partition_counters(
    kafka: KafkaConnection, source: EventSource
) -> dict[int, dict[Outcome, int]]:
    """Return the same by partition; every partition of the raw topic has every outcome."""
    topic = raw_topic(source)
    with Admin(kafka) as admin:
        committed = admin.committed(intake_group(source), topic)
        partitions = admin.partitions([topic])[topic]
    none = dict.fromkeys(Outcome, 0)
    return {
        partition: none | decode_counters(committed[partition].metadata)
        if partition in committed
        else none.copy()
        for partition in partitions
    }
