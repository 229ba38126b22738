"""Scoring with the features of the online store, each as of its request's own time."""

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from feature_repo.reader import AsOfRequest, OnlineReader, StoreUnavailableError
from feature_repo.ring import AsOfRows, Integers
from features.fingerprint import view_fingerprint
from features.service import FeatureService, StorePolicy
from features.source import EVENT_TIME_MS
from features.view import FeatureView
from models.answers import Answers, Fetched, answer, behind_ms, each_as_of
from models.columns import Columns, columns_of_requests
from models.prediction import Mark, ViewReceipt
from models.scorer import Scorer

Request = Mapping[str, Any]

_POLL_SECONDS = 0.005


class OnlineScorer:
    """Scores requests of one service; the stream and the HTTP endpoint ask the same one."""

    def __init__(
        self,
        service: FeatureService,
        reader: OnlineReader,
        *,
        max_wait_seconds: float,
        stop: threading.Event,
    ) -> None:
        """Take what to ask.

        Args:
            service: whose requests these are.
            reader: of the service's views.
            max_wait_seconds: how long requests wait, once for all of a call, for views that are
                not complete for them.
            stop: ends a wait.
        """
        self._service = service
        self._reader = reader
        self._max_wait_seconds = max_wait_seconds
        self._stop = stop
        self._fingerprints = {view: view_fingerprint(view) for view in service.views}

    def score(self, requests: Sequence[Request], scorer: Scorer) -> Answers:
        """Score requests with what the store holds once it is complete for them.

        A row's bits do not depend on the other rows.

        Args:
            requests: events of the request source; only `event_time_ms` and the fields that the
                features depend on are read.
            scorer: the model in use.

        Raises:
            StoreUnavailableError: The store does not answer, and the service's policy is to wait.
        """
        return answer(self._service, self._fetch(requests), scorer)

    def _fetch(self, requests: Sequence[Request]) -> Fetched:
        """Read every view as of each request, after a wait for those that are not complete."""
        times = np.array([request[EVENT_TIME_MS] for request in requests], dtype=np.int64)
        wanted = [
            AsOfRequest(view=view, keys=_keys(view, requests), as_of_ms=each_as_of(view, times))
            for view in self._service.views
        ]
        columns = columns_of_requests(self._service, requests)
        try:
            complete, reads = self._reader.read_complete(wanted)
            late = _late_ms(wanted, complete, len(requests))
            waited = (late > 0).any(axis=0)
            if waited.any():
                self._wait(wanted)
                complete, reads = self._reader.read_complete(wanted)
                late = _late_ms(wanted, complete, len(requests))
        except StoreUnavailableError:
            if self._service.store_policy is StorePolicy.WAIT:
                raise
            return self._degraded(wanted, columns)
        receipts = []
        for request, rows, late_ms in zip(wanted, reads, late, strict=True):
            columns.update(rows.columns)
            receipts.append(self._receipt(request, rows, late_ms))
        return Fetched(columns=columns, receipts=tuple(receipts), late_ms=late, waited=waited)

    def _wait(self, wanted: Sequence[AsOfRequest]) -> None:
        """Wait until all views are complete, or the time is up."""
        deadline = time.monotonic() + self._max_wait_seconds
        while time.monotonic() < deadline and not self._stop.wait(_POLL_SECONDS):
            n = len(wanted[0].as_of_ms)
            if not (_late_ms(wanted, self._reader.complete(), n) > 0).any():
                break

    def _receipt(self, request: AsOfRequest, rows: AsOfRows, late_ms: Integers) -> ViewReceipt:
        marks = np.full(len(late_ms), None, dtype=object)
        marks[~rows.found] = Mark.UNKNOWN
        marks[late_ms > 0] = Mark.STALE
        marks[rows.ahead] = Mark.AHEAD
        return ViewReceipt(
            view=request.view.name,
            fingerprint=self._fingerprints[request.view],
            as_of_ms=request.as_of_ms,
            window_end_ms=rows.window_end_ms,
            found=rows.found,
            marks=marks,
        )

    def _degraded(self, wanted: Sequence[AsOfRequest], columns: Columns) -> Fetched:
        n = len(columns[EVENT_TIME_MS])
        receipts = []
        for request in wanted:
            rows = self._reader.nothing(request.view, n)
            columns.update(rows.columns)
            receipt = self._receipt(request, rows, np.zeros(n, dtype=np.int64))
            marks = np.full(n, Mark.DEGRADED, dtype=object)
            receipts.append(replace(receipt, marks=marks))
        late = np.zeros((len(wanted), n), dtype=np.int64)
        return Fetched(
            columns=columns,
            receipts=tuple(receipts),
            late_ms=late,
            waited=np.zeros(n, dtype=bool),
        )


def _late_ms(wanted: Sequence[AsOfRequest], complete: Mapping[str, int | None], n: int) -> Integers:
    """By how much each view is behind each request, 0 if it is complete; shape (views, n)."""
    late = np.zeros((len(wanted), n), dtype=np.int64)
    for behind, request in zip(late, wanted, strict=True):
        behind[:] = behind_ms(request.as_of_ms, complete[request.view.name])
    return late


def _keys(view: FeatureView, requests: Sequence[Request]) -> list[tuple[Any, ...]]:
    names = view.entity.join_keys
    if len(names) == 1:
        (name,) = names
        return [(request[name],) for request in requests]
    return [tuple([request[name] for name in names]) for request in requests]
