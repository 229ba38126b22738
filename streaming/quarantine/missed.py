"""What a late event would have changed: windows, and the predictions that read them."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from features.definitions import Definitions
from features.evaluator import takes_part
from features.fingerprint import view_fingerprint
from features.service import FeatureService
from features.source import EVENT_TIME_MS, EventSource
from features.view import FeatureView
from streaming.kafka.admin import Admin
from streaming.kafka.avro import AvroCodec
from streaming.kafka.connection import KafkaConnection
from streaming.kafka.reader import RangeReader
from streaming.kafka.rows import RowDecoder
from streaming.kafka.schemas import prediction_schema
from streaming.kafka.topics import predictions_topic

_LATE = re.compile(r"later than (?P<horizon>-?\d+), the newest .* minus (?P<lateness>\d+) ms")


@dataclass(frozen=True, kw_only=True)
class MissedView:
    """A view whose windows would have contained the event.

    Attributes:
        view: the feature view.
        keys: the event's join keys.
        features: names of the features that would have counted it.
        first_end_ms: end of the first window that would have contained it, milliseconds.
        last_end_ms: end of the last one.
        left_at_ms: the first window end at which it would have left.
    """

    view: FeatureView
    keys: dict[str, Any]
    features: tuple[str, ...]
    first_end_ms: int
    last_end_ms: int
    left_at_ms: int

    @property
    def windows(self) -> int:
        """Number of windows that would have contained it."""
        return self.view.window.size_ms // self.view.window.slide_ms


@dataclass(frozen=True, kw_only=True)
class MissedPrediction:
    """A prediction in whose features the event would have been counted, by these views."""

    event_id: str
    event_time_ms: int
    score: float
    views: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class MissedPredictions:
    """Predictions of one service.

    Attributes:
        service: its name.
        count: number of predictions that would have counted the event.
        examples: the first ones.
        other_definitions: predictions for the same keys whose receipts name another fingerprint of
            such a view: its windows are not known any more.
    """

    service: str
    count: int
    examples: list[MissedPrediction]
    other_definitions: int


def newest_then(detail: str) -> tuple[int, int] | None:
    """Return the newest event time and the lateness, milliseconds, when an event was found late.

    Read from the detail of its letter: both may have changed since.
    """
    found = _LATE.search(detail)
    if found is None:
        return None
    lateness_ms = int(found["lateness"])
    return int(found["horizon"]) + lateness_ms, lateness_ms


def missed_views(
    definitions: Definitions, source: EventSource, event: Mapping[str, Any]
) -> list[MissedView]:
    """Return the views that would have counted an event; one with a null key part counts none."""
    missed = []
    for view in definitions.views:
        if view.source != source:
            continue
        keys = {key.name: event[key.name] for key in view.join_keys}
        features = tuple(
            feature.name
            for feature, aggregation in zip(view.features, view.aggregations, strict=True)
            if takes_part(aggregation, event)
        )
        if features and None not in keys.values():
            window = view.window
            first_end_ms = window.first_end_after(event[EVENT_TIME_MS])
            left_at_ms = first_end_ms + window.size_ms
            missed.append(
                MissedView(
                    view=view,
                    keys=keys,
                    features=features,
                    first_end_ms=first_end_ms,
                    last_end_ms=left_at_ms - window.slide_ms,
                    left_at_ms=left_at_ms,
                )
            )
    return missed


def missed_predictions(
    kafka: KafkaConnection,
    service: FeatureService,
    views: Sequence[MissedView],
    event_time_ms: int,
    limit: int,
) -> MissedPredictions:
    """Return the predictions of a service that would have counted an event in one of the views.

    Args:
        kafka: the cluster.
        service: whose predictions are read, from the first one on.
        views: those that would have counted the event.
        event_time_ms: its time, milliseconds.
        limit: how many predictions to return as examples.
    """
    read = {
        missed.view.name: (missed, view_fingerprint(missed.view))
        for missed in views
        if missed.view in service.views
    }
    count = other_definitions = 0
    examples: list[MissedPrediction] = []
    for prediction in _predictions(kafka, service) if read else ():
        counting, is_known = [], True
        for receipt in prediction["views"]:
            missed, fingerprint = read.get(receipt["view"], (None, None))
            if missed is None or not missed.keys.items() <= prediction["keys"].items():
                continue
            if receipt["fingerprint"] != fingerprint:
                is_known = False
            elif missed.view.window.contains(receipt["as_of_ms"], event_time_ms):
                counting.append(missed.view.name)
        count += bool(counting)
        other_definitions += not is_known
        if counting and len(examples) < limit:
            examples.append(
                MissedPrediction(
                    event_id=prediction["event_id"],
                    event_time_ms=prediction["event_time_ms"],
                    score=prediction["score"],
                    views=tuple(counting),
                )
            )
    return MissedPredictions(
        service=service.name, count=count, examples=examples, other_definitions=other_definitions
    )


def _predictions(kafka: KafkaConnection, service: FeatureService) -> Iterator[dict[str, Any]]:
    """Yield every prediction of a service, one at a time."""
    topic, schema = predictions_topic(service), prediction_schema()
    codec, decoder = AvroCodec(schema), RowDecoder(schema)
    with Admin(kafka) as admin:
        ends = admin.end_offsets(topic, "read_uncommitted")
    with closing(RangeReader(kafka)) as reader:
        for partition, end in ends.items():
            for record in reader.read(topic, partition, 0, end):
                yield from decoder.decode([codec.bare(record.value or b"")])
