"""Scoring of requests with the features of the online store, each as of its own time."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from feature_repo.reader import AsOfRequest, OnlineReader
from features.fingerprint import service_fingerprint, view_fingerprint
from features.service import FeatureService
from features.source import EVENT_ID, EVENT_TIME_MS
from features.view import FeatureView
from models.columns import columns_of_requests
from models.scorer import Scorer

Request = Mapping[str, Any]
Prediction = dict[str, Any]
AsOf = dict[str, npt.NDArray[np.int64]]


class Mark(StrEnum):
    """Why a served value may differ from what the log says."""

    STALE = "STALE"
    AHEAD = "AHEAD"


class OnlineScorer:
    """Scores requests of one service; the same for every way in."""

    def __init__(self, service: FeatureService, reader: OnlineReader) -> None:
        """Read the features of the service's views with this reader."""
        self._service = service
        self._reader = reader
        self._fingerprint = service_fingerprint(service)
        self._view_fingerprints = {view.name: view_fingerprint(view) for view in service.views}

    def as_of(self, requests: Sequence[Request]) -> AsOf:
        """Newest window end that each request may see, for each view; shape (n,), milliseconds."""
        times = np.array([request[EVENT_TIME_MS] for request in requests], dtype=np.int64)
        return {view.name: _each_as_of(view, times) for view in self._service.views}

    def incomplete(self, as_of: AsOf) -> list[str]:
        """Names of the views that are not yet complete for every request."""
        complete = self._reader.complete()
        return [
            name
            for name, window_ends in as_of.items()
            if _complete_until(complete, name) < window_ends.max(initial=_NEVER)
        ]

    def score(self, requests: Sequence[Request], scorer: Scorer) -> list[Prediction]:
        """Score requests with what the store holds now.

        Returns:
            Predictions without `source_topic`, `source_partition`, `source_offset` and
            `scored_at_ms`, in the order of the requests.
        """
        as_of = self.as_of(requests)
        # Progress before rows: rows that arrive in between can only be newer than asked for.
        complete = self._reader.complete()
        reads = self._reader.read_many(
            [
                AsOfRequest(view=view, keys=_keys(view, requests), as_of_ms=as_of[view.name])
                for view in self._service.views
            ]
        )
        columns = columns_of_requests(self._service, requests)
        receipts: list[list[dict[str, Any]]] = [[] for _ in requests]
        for view, rows in zip(self._service.views, reads, strict=True):
            columns.update(rows.columns)
            stale = as_of[view.name] > _complete_until(complete, view.name)
            for index, receipt in enumerate(receipts):
                receipt.append(
                    {
                        "view": view.name,
                        "fingerprint": self._view_fingerprints[view.name],
                        "as_of_ms": int(as_of[view.name][index]),
                        "window_end_ms": rows.window_end_ms[index],
                        "mark": _mark(stale=stale[index], ahead=rows.ahead[index]),
                    }
                )
        scored = scorer.score(columns)
        model = scorer.model
        return [
            {
                "event_id": request[EVENT_ID],
                "event_time_ms": request[EVENT_TIME_MS],
                "service": self._service.name,
                "fingerprint": self._fingerprint,
                "keys": {name: request[name] for name in self._key_names()},
                "score": float(scored.scores[index]),
                "decision": bool(scored.decisions[index]),
                "model_name": self._service.name,
                "model_version": model.version,
                "model_sha256": model.manifest.booster_sha256,
                "vector": scored.vectors[index].tolist(),
                "views": receipts[index],
            }
            for index, request in enumerate(requests)
        ]

    def _key_names(self) -> list[str]:
        return sorted({key.name for view in self._service.views for key in view.join_keys})


_NEVER = np.iinfo(np.int64).min


def _complete_until(complete: Mapping[str, int | None], view: str) -> int:
    window_end = complete[view]
    return int(_NEVER) if window_end is None else window_end


def _each_as_of(view: FeatureView, times: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    as_of: Any = view.as_of  # integer arithmetic, which is the same on an array
    window_ends: npt.NDArray[np.int64] = as_of(times)
    return window_ends


def _keys(view: FeatureView, requests: Sequence[Request]) -> list[tuple[Any, ...]]:
    names = [key.name for key in view.join_keys]
    return [tuple(request[name] for name in names) for request in requests]


def _mark(*, stale: bool, ahead: bool) -> str | None:
    if ahead:
        return Mark.AHEAD
    return Mark.STALE if stale else None
