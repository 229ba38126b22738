"""Predictions that are kept in the online store for requests that will come again."""

import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from feature_repo.precomputed import Precomputed, PrecomputedStore
from features.instant import duration_ms
from features.source import EVENT_TIME_MS
from models.prediction import Predictions
from streaming.kafka.avro import AvroCodec
from streaming.kafka.framing import UndecodableError
from streaming.kafka.schemas import event_schema, prediction_schema
from streaming.scoring.prediction_encoder import Origin, PredictionEncoder

Request = Mapping[str, Any]


class PrecomputedPredictions:
    """Keeps prediction records by what was asked, without the time; the newest time stays.

    A record is as it would be in the topic of predictions: `event_time_ms` is the time for which it
    was computed, `scored_at_ms` says since when it is available, and `request` holds the request,
    so it replays at its own time. Every method may raise `StoreUnavailableError`.
    """

    def __init__(self, store: PrecomputedStore) -> None:
        self._store = store
        self._events = AvroCodec(event_schema(store.service.request))
        self._records = AvroCodec(prediction_schema())
        self._encoder = PredictionEncoder()

    def put(self, predictions: Predictions, requests: Sequence[Request]) -> int:
        """Keep predictions unless there are newer ones; return how many were kept.

        Args:
            predictions: what to keep.
            requests: the events that they answer, with all request fields.
        """
        contents = self._encoder.encode(
            predictions,
            requests,
            [Origin()] * len(requests),
            scored_at_ms=time.time_ns() // 1_000_000,
            logged=[self._events.encode(dict(request)) for request in requests],
        )
        answers = [
            Precomputed(as_of_ms=request[EVENT_TIME_MS], content=content)
            for request, content in zip(requests, contents, strict=True)
        ]
        return self._store.put(requests, answers)

    def get(
        self, requests: Sequence[Request], *, model: tuple[str, str], max_age: timedelta
    ) -> list[dict[str, Any] | None]:
        """Return the kept record for each request where it is fresh, in one round trip.

        Args:
            requests: events of the request source.
            model: version of the model in use and checksum of its booster; the predictions of
                others are not fresh.
            max_age: how long before the time of its request the time of a fresh one may be; a later
                time than that of the request is not fresh.
        """
        age_ms = duration_ms(max_age)
        records: list[dict[str, Any] | None] = []
        for request, kept in zip(requests, self._store.get(requests), strict=True):
            latest = request[EVENT_TIME_MS]
            record = None
            if kept is not None and latest - age_ms <= kept.as_of_ms <= latest:
                record = self._decoded(kept.content)
            if record is not None and (record["model_version"], record["model_sha256"]) != model:
                record = None
            records.append(record)
        return records

    def _decoded(self, content: bytes) -> dict[str, Any] | None:
        try:
            return self._records.decode(self._records.bare(content))
        except UndecodableError:
            # Another version of the schema wrote it.
            return None
