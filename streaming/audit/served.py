"""What a service was asked and what it answered, read from the logs."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from features.errors import SamestreamError
from features.service import FeatureService
from features.source import EVENT_ID
from streaming.kafka.admin import Admin
from streaming.kafka.avro import AvroCodec
from streaming.kafka.connection import KafkaConnection
from streaming.kafka.framing import UndecodableError
from streaming.kafka.reader import RangeReader
from streaming.kafka.record import Record
from streaming.kafka.schemas import event_schema, prediction_schema
from streaming.kafka.topics import (
    http_predictions_topic,
    predictions_dead_topic,
    predictions_topic,
    validated_topic,
)
from streaming.scoring.counters import scorer_group
from streaming.scoring.promotion import Promotion, read_promotions

Position = tuple[int, int]


class NothingServedError(SamestreamError, LookupError):
    """A service that was never promoted into use, so there is nothing to verify."""


class OverHttp(NamedTuple):
    """A prediction that was answered over HTTP; its request is None if it cannot be read."""

    prediction: dict[str, Any]
    request: dict[str, Any] | None


@dataclass(frozen=True, kw_only=True)
class Served:
    """The requests that a service has processed, and all its answers to them.

    Attributes:
        promotions: of the service, oldest first.
        requests: event of each request, by partition and offset in the validated log.
        predictions: every prediction for one of these requests, in the order of the topic.
        over_http: every prediction that was answered over HTTP.
        refused: positions of the requests that ended as dead letters.
        pending: number of requests in the log that the scorer has not reached yet.
    """

    promotions: list[Promotion]
    requests: dict[Position, dict[str, Any]]
    predictions: list[dict[str, Any]]
    over_http: list[OverHttp]
    refused: list[Position]
    pending: int


def read_served(kafka: KafkaConnection, service: FeatureService) -> Served:
    """Read the requests from the first promotion to the scorer's committed offsets."""
    promotions = read_promotions(kafka, service)
    if not promotions:
        msg = f"service {service.name!r}: no model was ever promoted, so nothing was served"
        raise NothingServedError(msg)
    begin = promotions[0].request_offsets
    requests_topic = validated_topic(service.request)
    with Admin(kafka) as admin:
        log_ends = admin.end_offsets(requests_topic, "read_committed")
        committed = admin.committed(scorer_group(service), requests_topic)
        # After the scorer's offsets: whatever they cover was written before, though a commit may
        # be answered before its markers show.
        answer_ends = admin.end_offsets(predictions_topic(service), "read_uncommitted")
        http_ends = admin.end_offsets(http_predictions_topic(service), "read_uncommitted")
        dead_ends = admin.end_offsets(predictions_dead_topic(service), "read_uncommitted")
    ends = {p: committed[p].offset if p in committed else begin[p] for p in log_ends}
    reader = RangeReader(kafka)
    try:
        requests = _requests(reader, service, begin, ends)
        pending = _requests(reader, service, ends, log_ends)
        answers = _predictions(reader, predictions_topic(service), answer_ends)
        predictions = [answer for answer in answers if position(answer) in requests]
        events = AvroCodec(event_schema(service.request))
        over_http = [
            OverHttp(prediction, _own_request(events, prediction))
            for prediction in _predictions(reader, http_predictions_topic(service), http_ends)
        ]
        refused = [
            _refused_position(record)
            for record in _all(reader, predictions_dead_topic(service), dead_ends)
        ]
    finally:
        reader.close()
    return Served(
        promotions=promotions,
        requests=requests,
        predictions=predictions,
        over_http=over_http,
        refused=refused,
        pending=len(pending),
    )


def position(prediction: dict[str, Any]) -> Position:
    """Return where in the validated log the request of a prediction is."""
    return prediction["source_partition"], prediction["source_offset"]


def _requests(
    reader: RangeReader, service: FeatureService, begin: dict[int, int], ends: dict[int, int]
) -> dict[Position, dict[str, Any]]:
    codec = AvroCodec(event_schema(service.request))
    found = {}
    for partition, end in ends.items():
        topic = validated_topic(service.request)
        for record in reader.read(topic, partition, begin[partition], end):
            event = codec.decode(record.value or b"")
            if event[EVENT_ID] is not None:
                found[partition, record.offset] = event
    return found


def _predictions(reader: RangeReader, topic: str, ends: dict[int, int]) -> Iterator[dict[str, Any]]:
    codec = AvroCodec(prediction_schema())
    for record in _all(reader, topic, ends):
        yield codec.decode(codec.bare(record.value or b""))


def _own_request(events: AvroCodec, prediction: dict[str, Any]) -> dict[str, Any] | None:
    """Return the request that a prediction brings along, None if it is not one."""
    try:
        return events.decode(prediction["request"] or b"")
    except UndecodableError:
        return None


def _all(reader: RangeReader, topic: str, ends: dict[int, int]) -> Iterator[Record]:
    for partition, end in ends.items():
        yield from reader.read(topic, partition, 0, end)


def _refused_position(record: Record) -> Position:
    headers = {name: content or b"" for name, content in record.headers}
    return (
        int(headers["__connect.errors.partition"]),
        int(headers["__connect.errors.offset"]),
    )
