"""The stream scorer of one service: from its requests to predictions, exactly once."""

import logging
import threading
import time
from collections import Counter
from collections.abc import Sequence

import numpy as np

from feature_repo.online_store import connect
from feature_repo.reader import OnlineReader, StoreUnavailableError
from feature_repo.rendering import PROJECT
from features.service import FeatureService
from features.source import EVENT_ID
from models.answers import Answers
from models.loading import load_model
from models.online import OnlineScorer, Request
from models.prediction import Mark
from models.scorer import Scorer
from streaming.kafka.admin import Admin
from streaming.kafka.loop import ExactlyOnceLoop, stop_on_signal
from streaming.kafka.quarantine import quarantined
from streaming.kafka.record import OutputRecord, Record
from streaming.kafka.rows import RowDecoder
from streaming.kafka.schemas import event_schema
from streaming.kafka.topics import predictions_dead_topic, predictions_topic, validated_topic
from streaming.scoring.counters import Counts, Tally, decode_counts, encode_counts, scorer_group
from streaming.scoring.prediction_encoder import Origin, PredictionEncoder
from streaming.scoring.promotion import Promotion, read_promotions
from streaming.settings import Settings

BATCH_RECORDS = 500
_PROMOTION_POLL_SECONDS = 0.5
_STORE_POLL_SECONDS = 0.2
# Far less than the time after which the group takes the partitions away.
_STORE_WAIT_SECONDS = 60.0

_TALLY_OF_MARK = {mark: Tally(mark.lower()) for mark in Mark}

_log = logging.getLogger(__name__)


class ScoringProcessor:
    """Turns the requests of a batch into predictions; its only state are counts.

    Args:
        service: whose requests these are.
        online: answers them.
        scorer: the model in use.
        stop: ends a wait.
    """

    def __init__(
        self,
        *,
        service: FeatureService,
        online: OnlineScorer,
        scorer: Scorer,
        stop: threading.Event,
    ) -> None:
        self._online = online
        self._scorer = scorer
        self._stop = stop
        self._events = RowDecoder(event_schema(service.request))
        self._encoder = PredictionEncoder()
        self._topic = predictions_topic(service)
        self._dead_topic = predictions_dead_topic(service)
        self._counts: dict[int, Counts] = {}
        self._staged: dict[int, Counts] = {}
        self._answered: tuple[list[Record], list[Request], Answers] | None = None

    def assigned(self, committed: dict[int, str | None]) -> None:
        self._counts = {number: decode_counts(text) for number, text in committed.items()}
        self._staged = {}

    def before_transaction(self, batch: Sequence[Record]) -> None:
        """Score the batch: wait for its views, and for the store if that is the policy."""
        events = self._events.decode([record.value or b"" for record in batch])
        # Heartbeats are no requests.
        records: list[Record] = []
        requests: list[Request] = []
        for record, event in zip(batch, events, strict=True):
            if event[EVENT_ID] is not None:
                records.append(record)
                requests.append(event)
        answers = self._answer(requests) if requests else None
        self._answered = None if answers is None else (records, requests, answers)

    def process(self, batch: Sequence[Record]) -> list[OutputRecord]:
        del batch
        if self._answered is None:
            return []
        records, requests, answers = self._answered
        self._count(records, answers)
        kept = [records[row] for row in answers.rows]
        values = self._encoder.encode(
            answers.predictions,
            [requests[row] for row in answers.rows],
            [Origin(record.topic, record.partition, record.offset) for record in kept],
            scored_at_ms=time.time_ns() // 1_000_000,
        )
        dead = [
            quarantined(
                records[refusal.row],
                self._dead_topic,
                stage="score",
                reason=refusal.reason,
                detail=refusal.detail,
            )
            for refusal in answers.refused
        ]
        return dead + [
            OutputRecord(self._topic, record.partition, record.key, value)
            for record, value in zip(kept, values, strict=True)
        ]

    def tick(self, positions: dict[int, int]) -> list[OutputRecord]:
        """Nothing is due by time."""
        del positions
        return []

    def metadata(self, partition: int) -> str:
        return encode_counts(self._counts[partition] + self._staged.get(partition, Counter()))

    def committed(self) -> None:
        for partition, counts in self._staged.items():
            self._counts[partition] += counts
        self._staged = {}

    def aborted(self) -> None:
        self._staged = {}

    def _answer(self, requests: Sequence[Request]) -> Answers | None:
        """Return the answers; None when told to stop before the store was there.

        Raises:
            StoreUnavailableError: The store did not answer for a minute. The process ends, and
                continues from the committed offsets when it is started again.
        """
        deadline = time.monotonic() + _STORE_WAIT_SECONDS
        while True:
            try:
                return self._online.score(requests, self._scorer)
            except StoreUnavailableError as error:
                if time.monotonic() >= deadline:
                    raise
                _log.warning("a batch of %d waits: %s", len(requests), error)
            if self._stop.wait(_STORE_POLL_SECONDS):
                return None

    def _count(self, records: Sequence[Record], answers: Answers) -> None:
        partitions = np.array([record.partition for record in records])
        refused = [refusal.row for refusal in answers.refused]
        scored = partitions[answers.rows]
        found = {
            Tally.PREDICTIONS: scored,
            Tally.REFUSED: partitions[refused],
            Tally.WAITED: partitions[answers.waited],
        }
        for mark, tally in _TALLY_OF_MARK.items():
            marked = np.zeros(len(scored), dtype=bool)
            for receipt in answers.predictions.receipts:
                marked |= receipt.marks == mark
            found[tally] = scored[marked]
        self._staged = {}
        for tally, where in found.items():
            for partition, count in Counter(where.tolist()).items():
                self._staged.setdefault(partition, Counter())[tally] += count


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
    model = load_model(newest.path, newest.model_version, service, nthread=settings.scoring_threads)
    store = connect(settings.online_store, timeout_seconds=settings.store_timeout_seconds)
    processor = ScoringProcessor(
        service=service,
        online=OnlineScorer(
            service,
            OnlineReader(store, project=PROJECT, views=service.views),
            max_wait_seconds=settings.max_wait_seconds,
            stop=stop,
        ),
        scorer=Scorer(service, model),
        stop=stop,
    )
    ExactlyOnceLoop(
        kafka=settings.kafka,
        topic=requests,
        group=scorer_group(service),
        instance=instance,
        processor=processor,
        start_offsets=promotions[0].request_offsets,
        batch_records=BATCH_RECORDS,
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
