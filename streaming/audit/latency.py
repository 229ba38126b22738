"""How long answers took, from the times at which records were sent to Kafka."""

from collections.abc import Iterator
from typing import Self

import numpy as np
import numpy.typing as npt

from feature_repo.online_store import connect
from feature_repo.reader import OnlineReader
from feature_repo.rendering import PROJECT
from features.definitions import Definitions
from features.service import FeatureService
from features.source import EventSource
from features.validation import InvalidEventError
from streaming.intake.codec import CanonicalEvent
from streaming.intake.deployed import raw_events
from streaming.kafka.admin import Admin
from streaming.kafka.avro import AvroCodec
from streaming.kafka.framing import UndecodableError
from streaming.kafka.reader import RangeReader
from streaming.kafka.record import Record
from streaming.kafka.schemas import prediction_schema
from streaming.kafka.topics import predictions_topic, raw_topic
from streaming.settings import Settings

Milliseconds = npt.NDArray[np.float64]


def event_to_prediction(settings: Settings, service: FeatureService) -> Milliseconds:
    """Return how long each prediction came after its event, in the order of the predictions.

    From the producer's send of the raw record to the scorer's send of the prediction. Requests
    that did not come through the raw topic, such as imported history, are left out.
    """
    codec = AvroCodec(prediction_schema())
    with _Log(settings) as log:
        sent_ms: dict[str, int] = {}
        for record, event in log.raw_events(service.request):
            if event.event_id is not None:
                # Of doubled records the first is the one that was accepted.
                sent_ms.setdefault(event.event_id, record.timestamp)
        waits = [
            record.timestamp - sent_ms[event_id]
            for record in log.records(predictions_topic(service))
            if (event_id := codec.decode(codec.bare(record.value or b""))["event_id"]) in sent_ms
        ]
    return np.array(waits, dtype=np.float64)


def boundary_to_complete(settings: Settings, definitions: Definitions) -> Milliseconds:
    """Return how long after its boundary event each view was complete in the online store.

    The boundary event of a window end W is the last raw heartbeat at W + lateness: with it, no
    partition can change the window any more. Window ends without such heartbeats, as in imported
    history, are left out; the store remembers some thousand completions of each view.
    """
    reader = OnlineReader(connect(settings.online_store), project=PROJECT, views=definitions.views)
    with _Log(settings) as log:
        boundary_ms = {
            source.name: _boundaries(log.raw_events(source), source.lateness_ms)
            for source in definitions.sources
        }
    waits = [
        complete_ms - boundary_ms[view.source.name][window_end_ms]
        for view in definitions.views
        for window_end_ms, complete_ms in reader.completions(view)
        if window_end_ms in boundary_ms[view.source.name]
    ]
    return np.array(waits, dtype=np.float64)


def percentiles(sample: Milliseconds) -> tuple[float, float]:
    """Return p50 and p99 of a sample; NaN of an empty one."""
    if not sample.size:
        return float("nan"), float("nan")
    p50, p99 = np.percentile(sample, [50, 99])
    return float(p50), float(p99)


def _boundaries(
    events: Iterator[tuple[Record, CanonicalEvent]], lateness_ms: int
) -> dict[int, int]:
    """When the last heartbeat of each window end was sent, over all partitions."""
    sent_ms: dict[int, int] = {}
    for record, event in events:
        if event.event_id is None:
            window_end_ms = event.event_time_ms - lateness_ms
            sent_ms[window_end_ms] = max(record.timestamp, sent_ms.get(window_end_ms, 0))
    return sent_ms


class _Log:
    """Committed records of whole topics."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._admin = Admin(settings.kafka)
        self._reader = RangeReader(settings.kafka)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._reader.close()
        self._admin.close()

    def records(self, topic: str) -> Iterator[Record]:
        """Every record of a topic, partition by partition."""
        for partition, end in self._admin.end_offsets(topic, "read_committed").items():
            yield from self._reader.read(topic, partition, 0, end)

    def raw_events(self, source: EventSource) -> Iterator[tuple[Record, CanonicalEvent]]:
        """Every valid raw record of a source with its event."""
        raw = raw_events(self._settings, source)
        for record in self.records(raw_topic(source)):
            try:
                yield record, raw.event(record.value)
            except (UndecodableError, InvalidEventError):
                continue
