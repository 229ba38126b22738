"""One service behind the endpoint: calls in, replies out, every answer kept before it leaves."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any, Protocol

import numpy as np

from feature_repo.reader import StoreUnavailableError
from feature_repo.ring import Integers
from features.errors import SamestreamError
from features.instant import MILLISECOND
from features.service import FeatureService, StorePolicy
from features.source import EVENT_ID, EVENT_TIME_MS
from models.endpoint.admission import Call
from models.endpoint.clock import ClockUnknownError, StreamClock, wall_clock_ms
from models.endpoint.replies import Reply, document, problem, unavailable
from models.loading import Model
from models.online import OnlineScorer
from models.prediction import Predictions, Refusal
from models.scorer import ScoredBatch, Scorer

PREDICTIONS = "predictions"
SCORED_AT_MS = "scored_at_ms"
PRECOMPUTED = "precomputed"

# Of a record in the log that do not concern who asks.
_INTERNAL = {"request", "source_topic", "source_partition", "source_offset"}


class LogUnavailableError(SamestreamError, ConnectionError):
    """Predictions that could not be kept, so they must not be answered."""


class ClockStaleError(SamestreamError, RuntimeError):
    """The stream clock is further behind the wall clock than the service allows."""


class PredictionLog(Protocol):
    """Where predictions are kept, so that each can be proven later."""

    def write(
        self,
        predictions: Predictions,
        requests: Sequence[Mapping[str, Any]],
        *,
        scored_at_ms: int,
    ) -> None:
        """Return when the predictions of n requests are kept for good.

        Raises:
            LogUnavailableError: it is not known that they are.
        """

    def write_again(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Return when precomputed predictions are kept under the ids of those who asked now.

        Raises:
            LogUnavailableError: it is not known that they are.
        """


class KeptPredictions(Protocol):
    """Predictions that were computed before anybody asked."""

    def get(
        self, requests: Sequence[Mapping[str, Any]], *, model: tuple[str, str], max_age: timedelta
    ) -> list[dict[str, Any] | None]:
        """Return the record for each request that has a fresh one.

        Args:
            requests: what is asked.
            model: version of the model in use and checksum of its booster.
            max_age: how long before the time of a request the time of a fresh one may be.

        Raises:
            StoreUnavailableError: the store does not answer.
        """


class ServedService:
    """Answers calls for one service; only the scoring thread calls `answer`.

    Attributes:
        service: the definition.
        clock: of its requests.
        trouble: why it should not be asked any more, though it answers.
    """

    def __init__(
        self,
        service: FeatureService,
        *,
        online: OnlineScorer,
        clock: StreamClock,
        log: PredictionLog,
        kept: KeptPredictions,
    ) -> None:
        self.service = service
        self.clock = clock
        self.trouble: str | None = None
        self._online = online
        self._log = log
        self._kept = kept
        self._scorer: Scorer | None = None

    @property
    def model(self) -> Model | None:
        """The model in use; None as long as there is none."""
        scorer = self._scorer
        return None if scorer is None else scorer.model

    def use(self, scorer: Scorer) -> None:
        """Score with another model from the next batch on."""
        self._scorer = scorer

    def tell_ms(self) -> int:
        """Return the time of a request that comes now, by the policy of the service.

        Raises:
            StoreUnavailableError: the store does not answer, and the policy is to wait.
            ClockUnknownError: there is no time.
        """
        try:
            return self.clock.now_ms()
        except StoreUnavailableError:
            if self.service.store_policy is StorePolicy.WAIT:
                raise
            return self.clock.without_store_ms()

    def answer(self, calls: Sequence[Call]) -> list[Reply]:
        """Return the reply to each call; a call gets all its predictions or none."""
        if not calls:
            return []
        scorer = self._scorer
        if scorer is None:
            msg = f"service {self.service.name!r}: no model is loaded"
            return [unavailable("no_model", msg)] * len(calls)
        try:
            return self._answered(calls, scorer)
        except StoreUnavailableError as error:
            return [unavailable("store_unavailable", str(error))] * len(calls)
        except ClockUnknownError as error:
            return [unavailable("no_clock", str(error))] * len(calls)
        except LogUnavailableError as error:
            return [unavailable("log_unavailable", str(error))] * len(calls)
        except ClockStaleError as error:
            # Only for those who mean now.
            timed = iter(self.answer([call for call in calls if _has_times(call)]))
            stale = unavailable("stale", str(error))
            return [next(timed) if _has_times(call) else stale for call in calls]

    def _answered(self, calls: Sequence[Call], scorer: Scorer) -> list[Reply]:
        requests = self._timed(calls)
        ready = self._precomputed(requests, scorer.model)
        rest = np.array([row for row in range(len(requests)) if row not in ready], np.int64)
        answers = self._online.score([requests[row] for row in rest], scorer)
        first_rows = np.cumsum([0, *(len(call.requests) for call in calls)])
        owners = np.repeat(np.arange(len(calls)), np.diff(first_rows))
        refusals = [replace(refusal, row=int(rest[refusal.row])) for refusal in answers.refused]
        refused = _refusals(refusals, owners, first_rows)
        predictions, rows = answers.predictions, rest[answers.rows]
        if refused:
            kept = np.flatnonzero(~np.isin(owners[rows], list(refused)))
            predictions, rows = _taken(predictions, kept), rows[kept]
            ready = {row: record for row, record in ready.items() if owners[row] not in refused}
        scored_at_ms = wall_clock_ms()
        answered = [requests[row] for row in rows]
        if answered:
            self._log.write(predictions, answered, scored_at_ms=scored_at_ms)
        if ready:
            self._log.write_again([*ready.values()])
        records = {row: _shown(record) | {PRECOMPUTED: True} for row, record in ready.items()}
        for row, record in zip(rows.tolist(), predictions.records(answered), strict=True):
            records[row] = {**record, SCORED_AT_MS: scored_at_ms, PRECOMPUTED: False}
        return [
            refused[number]
            if number in refused
            else document({PREDICTIONS: [records[row] for row in range(first, following)]})
            for number, (first, following) in enumerate(pairwise(first_rows.tolist()))
        ]

    def _precomputed(
        self, requests: Sequence[Mapping[str, Any]], model: Model
    ) -> dict[int, dict[str, Any]]:
        """Return the fresh records by the position of their requests, under the new ids."""
        max_age = self.service.max_precomputed_age
        if max_age is None:
            return {}
        try:
            in_use = model.version, model.manifest.booster_sha256
            found = self._kept.get(requests, model=in_use, max_age=max_age)
        except StoreUnavailableError:
            if self.service.store_policy is StorePolicy.WAIT:
                raise
            return {}
        return {
            row: {**record, EVENT_ID: request[EVENT_ID]}
            for row, (request, record) in enumerate(zip(requests, found, strict=True))
            if record is not None
        }

    def _timed(self, calls: Sequence[Call]) -> list[Mapping[str, Any]]:
        """Return the requests of all calls; those without a time get the clock's."""
        requests = [request for call in calls for request in call.requests]
        if all(map(_has_times, calls)):
            return requests
        now_ms = self.tell_ms()
        limit = self.service.max_staleness
        behind = self.clock.behind_wall_ms(now_ms) * MILLISECOND
        if limit is not None and behind > limit:
            # As of its own clock nothing is stale; but who asks without a time means now.
            msg = (
                f"the stream clock of service {self.service.name!r} is {behind} behind; it "
                f"allows {limit}"
            )
            raise ClockStaleError(msg)
        return [
            {**request, EVENT_TIME_MS: now_ms} if request[EVENT_TIME_MS] is None else request
            for request in requests
        ]


def _has_times(call: Call) -> bool:
    return all(request[EVENT_TIME_MS] is not None for request in call.requests)


def _refusals(
    refused: Sequence[Refusal], owners: Integers, first_rows: Integers
) -> dict[int, Reply]:
    """Return the reply to each call that has a refused request, by its number."""
    replies: dict[int, Reply] = {}
    for refusal in refused:
        number = int(owners[refusal.row])
        detail = f"requests[{refusal.row - first_rows[number]}]: {refusal.detail}"
        if refusal.reason == "stale":
            replies.setdefault(number, unavailable(refusal.reason, detail))
        else:
            replies.setdefault(number, problem(422, refusal.reason, detail))
    return replies


def _shown(record: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name not in _INTERNAL}


def _taken(predictions: Predictions, rows: Integers) -> Predictions:
    scored = predictions.scored
    return Predictions(
        service=predictions.service,
        model=predictions.model,
        scored=ScoredBatch(
            vectors=scored.vectors[rows],
            scores=scored.scores[rows],
            decisions=scored.decisions[rows],
        ),
        receipts=tuple(receipt.taken(rows) for receipt in predictions.receipts),
    )
