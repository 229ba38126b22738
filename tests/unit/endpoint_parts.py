"""An endpoint in one process, without servers: a store that holds nothing, a log that is a list."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cache
from threading import Event
from typing import Any

import httpx
from redis import Redis

from feature_repo.reader import AsOfRequest, OnlineReader, StoreUnavailableError
from feature_repo.ring import AsOfRows
from features.service import FeatureService
from models.booster import load_booster
from models.endpoint.admission import WaitingLine
from models.endpoint.app import Limits, create_app
from models.endpoint.clock import StreamClock
from models.endpoint.keys import ApiKeys
from models.endpoint.serving import LogUnavailableError, ServedService
from models.endpoint.worker import ScoringThread
from models.loading import Model
from models.online import OnlineScorer
from models.prediction import Predictions
from models.scorer import Scorer
from tests import tiny_model

VIEW = tiny_model.card_1h
LIMITS = Limits(
    requests=3,
    body_bytes=2_000,
    body=timedelta(seconds=0.2),
    wait=timedelta(seconds=0.2),
    reply=timedelta(seconds=0.2),
    staleness=timedelta(minutes=1),
)


class EmptyStore(OnlineReader):
    """No rows; progress is what a test says."""

    def __init__(self) -> None:
        super().__init__(Redis(), project="p", views=[VIEW])
        self.progress_ms: int | None = None
        self.is_there = True
        self.asked = 0

    def complete(self) -> dict[str, int | None]:
        if not self.is_there:
            msg = "online store: it does not answer"
            raise StoreUnavailableError(msg)
        return {VIEW.name: self.progress_ms}

    def queued(self) -> dict[str, int | None]:
        self.asked += 1
        return self.complete()

    def read_complete(
        self, requests: Sequence[AsOfRequest]
    ) -> tuple[dict[str, int | None], list[AsOfRows]]:
        complete = self.complete()
        return complete, [self.nothing(one.view, len(one.keys)) for one in requests]


class ListedLog:
    """Keeps the ids of the requests that were logged."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.is_there = True

    def write(
        self,
        predictions: Predictions,
        requests: Sequence[Mapping[str, Any]],
        *,
        scored_at_ms: int,
    ) -> None:
        assert len(predictions) == len(requests)
        assert scored_at_ms > 0
        if not self.is_there:
            msg = "not confirmed"
            raise LogUnavailableError(msg)
        self.ids += [request["event_id"] for request in requests]

    def write_again(self, records: Sequence[Mapping[str, Any]]) -> None:
        self.ids += [record["event_id"] for record in records]


class NothingKept:
    """Has no precomputed predictions."""

    def get(
        self, requests: Sequence[Mapping[str, Any]], *, model: tuple[str, str], max_age: timedelta
    ) -> list[dict[str, Any] | None]:
        del model, max_age
        return [None] * len(requests)


@cache
def scorer() -> Scorer:
    trained = tiny_model.trained()
    booster = load_booster(trained.booster, nthread=1)
    model = Model(version="1", manifest=trained.manifest, booster=booster)
    return Scorer(tiny_model.service, model)


class Endpoint:
    """The application, the line and the scoring thread, which a test starts if it needs it."""

    def __init__(
        self,
        service: FeatureService = tiny_model.service,
        *,
        capacity: int = 10,
        keys: ApiKeys | None = None,
        follows_wall: bool = False,
    ) -> None:
        self.store, self.log = EmptyStore(), ListedLog()
        self.served = ServedService(
            service,
            online=OnlineScorer(service, self.store, max_wait_seconds=0.01, stop=Event()),
            clock=StreamClock(self.store, service.views, follows_wall=follows_wall),
            log=self.log,
            kept=NothingKept(),
        )
        self.line = WaitingLine(capacity)
        services = {service.name: self.served}
        self.thread = ScoringThread(self.line, services)
        self.path = f"/v1/services/{service.name}/predictions"
        self.app = create_app(services, self.line, LIMITS, keys)

    def client(self) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(self.app)
        return httpx.AsyncClient(transport=transport, base_url="http://endpoint")
