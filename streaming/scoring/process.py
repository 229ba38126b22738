"""The stream scorer of one service: from its requests to predictions, exactly once."""

import logging
import threading
import time
from collections.abc import Sequence

from feature_repo.online_store import connect
from feature_repo.reader import OnlineReader
from feature_repo.rendering import PROJECT
from features.service import FeatureService
from features.source import EVENT_ID
from models.errors import VectorError
from models.loading import load_model
from models.scorer import Scorer
from streaming.kafka.admin import Admin
from streaming.kafka.avro import AvroCodec
from streaming.kafka.loop import ExactlyOnceLoop, stop_on_signal
from streaming.kafka.quarantine import quarantined
from streaming.kafka.record import OutputRecord, Record
from streaming.kafka.schemas import event_schema, prediction_schema
from streaming.kafka.topics import predictions_dead_topic, predictions_topic, validated_topic
from streaming.scoring.online import OnlineScorer, Prediction, Request
from streaming.scoring.promotion import Promotion, read_promotions
from streaming.settings import Settings

_POLL_SECONDS = 0.005
_PROMOTION_POLL_SECONDS = 0.5

_log = logging.getLogger(__name__)


def scorer_group(service: FeatureService) -> str:
    """Consumer group of the scorers of a service."""
    return f"scorer.{service.name}"


class ScoringProcessor:
    """Turns the requests of a batch into predictions; has no state to restore.

    Args:
        service: whose requests these are.
        online: reads the features.
        scorer: the model in use.
        max_wait_seconds: how long a batch waits for views that are not complete.
        stop: ends a wait.
    """

    def __init__(
        self,
        *,
        service: FeatureService,
        online: OnlineScorer,
        scorer: Scorer,
        max_wait_seconds: float,
        stop: threading.Event,
    ) -> None:
        self._service = service
        self._online = online
        self._scorer = scorer
        self._max_wait_seconds = max_wait_seconds
        self._stop = stop
        self._events = AvroCodec(event_schema(service.request))
        self._predictions = AvroCodec(prediction_schema())

    def assigned(self, committed: dict[int, str | None]) -> None:
        """The scorer keeps no state between batches."""

    def before_transaction(self, batch: Sequence[Record]) -> None:
        """Wait until every view is complete for every request, or the wait is over."""
        requests = [request for _, request in self._requests(batch)]
        as_of = self._online.as_of(requests)
        deadline = time.monotonic() + self._max_wait_seconds
        while requests and (missing := self._online.incomplete(as_of)):
            if time.monotonic() >= deadline:
                _log.warning("views %s are stale for a batch of %d", missing, len(requests))
                return
            if self._stop.wait(_POLL_SECONDS):
                return

    def process(self, batch: Sequence[Record]) -> list[OutputRecord]:
        pairs = self._requests(batch)
        if not pairs:
            return []
        try:
            return self._scored(pairs)
        except VectorError as error:
            if not error.rows:
                raise
            refused = [pairs[row][0] for row in error.rows]
            kept = [record for record in batch if record not in refused]
            topic = predictions_dead_topic(self._service)
            dead = [
                quarantined(record, topic, stage="score", reason="invalid", detail=str(error))
                for record in refused
            ]
            return dead + self.process(kept)

    def tick(self, positions: dict[int, int]) -> list[OutputRecord]:
        """Nothing is due by time."""
        del positions
        return []

    def metadata(self, partition: int) -> str:
        """There is nothing to say about an offset."""
        del partition
        return ""

    def committed(self) -> None:
        """Nothing was staged."""

    def aborted(self) -> None:
        """Nothing was staged."""

    def _requests(self, batch: Sequence[Record]) -> list[tuple[Record, Request]]:
        """Decode a batch of the validated log; heartbeats are no requests."""
        decoded = ((record, self._events.decode(record.value or b"")) for record in batch)
        return [(record, event) for record, event in decoded if event[EVENT_ID] is not None]

    def _scored(self, pairs: list[tuple[Record, Request]]) -> list[OutputRecord]:
        predictions = self._online.score([request for _, request in pairs], self._scorer)
        scored_at_ms = time.time_ns() // 1_000_000
        return [
            self._output(record, prediction, scored_at_ms)
            for (record, _), prediction in zip(pairs, predictions, strict=True)
        ]

    def _output(self, record: Record, prediction: Prediction, scored_at_ms: int) -> OutputRecord:
        content = {
            **prediction,
            "source_topic": record.topic,
            "source_partition": record.partition,
            "source_offset": record.offset,
            "scored_at_ms": scored_at_ms,
        }
        return OutputRecord(
            topic=predictions_topic(self._service),
            partition=record.partition,
            key=record.key,
            value=self._predictions.encode_single_object(content),
        )


def run_scorer(settings: Settings, service: FeatureService, instance: str = "0") -> None:
    """Run the scorer of a service until SIGTERM; `instance` is its stable name in the group."""
    stop = stop_on_signal()
    with Admin(settings.kafka) as admin:
        requests = validated_topic(service.request)
        outputs = [predictions_topic(service), predictions_dead_topic(service)]
        admin.check_log([requests, *outputs], settings.partitions)
    promotions = _wait_for_promotion(settings, service, stop)
    if promotions is None:
        return
    newest = promotions[-1]
    model = load_model(newest.path, newest.model_version, service, nthread=1)
    reader = OnlineReader(connect(settings.online_store), project=PROJECT, views=service.views)
    processor = ScoringProcessor(
        service=service,
        online=OnlineScorer(service, reader),
        scorer=Scorer(service, model),
        max_wait_seconds=settings.max_wait_seconds,
        stop=stop,
    )
    ExactlyOnceLoop(
        kafka=settings.kafka,
        topic=requests,
        group=scorer_group(service),
        instance=instance,
        processor=processor,
        start_offsets=promotions[0].request_offsets,
    ).run(stop)


def _wait_for_promotion(
    settings: Settings, service: FeatureService, stop: threading.Event
) -> list[Promotion] | None:
    """Return the promotions so far once there is one, None when told to stop before."""
    while not stop.is_set():
        if promotions := read_promotions(settings.kafka, service):
            return promotions
        stop.wait(_PROMOTION_POLL_SECONDS)
    return None
