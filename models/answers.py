"""Answers to n requests, from the features that a store gave for them."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from features.service import FeatureService
from features.view import FeatureView
from models.columns import Columns
from models.errors import VectorError
from models.prediction import Integers, Predictions, Refusal, ViewReceipt
from models.scorer import Scorer

# How late a view is that was never complete.
_SINCE_EVER = 2**62


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """Features of n requests as of their own times.

    Attributes:
        columns: the request fields and the features of all views.
        receipts: one for each view of the service, in its order.
        late_ms: by how much each view was behind each request, 0 if it was complete; shape
            (views, n).
        waited: shape (n,); whether a request found a view that was not complete for it.
    """

    columns: Columns
    receipts: tuple[ViewReceipt, ...]
    late_ms: Integers
    waited: npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What became of n requests.

    Attributes:
        rows: positions of the requests that were scored, in order.
        predictions: of these requests.
        refused: what became of the others.
        waited: shape (n,); whether a request found a view that was not complete for it.
    """

    rows: Integers
    predictions: Predictions
    refused: tuple[Refusal, ...]
    waited: npt.NDArray[np.bool_]


def answer(service: FeatureService, fetched: Fetched, scorer: Scorer) -> Answers:
    """Score the requests that are not refused.

    Args:
        service: whose requests these are.
        fetched: their features.
        scorer: the model in use.
    """
    kept = np.ones(len(fetched.waited), dtype=bool)
    refused = _refuse_stale(service, fetched, kept)
    while True:
        rows = np.flatnonzero(kept)
        columns = fetched.columns
        if len(rows) < len(kept):
            columns = {name: values[rows] for name, values in columns.items()}
        try:
            scored = scorer.score(columns)
            break
        except VectorError as error:
            if not error.rows:
                raise
            bad = rows[list(error.rows)]
            kept[bad] = False
            detail = str(error)
            refused += [Refusal(row=int(row), reason="invalid", detail=detail) for row in bad]
    predictions = Predictions(
        service=service,
        model=scorer.model,
        scored=scored,
        receipts=tuple(receipt.taken(rows) for receipt in fetched.receipts),
    )
    return Answers(
        rows=rows, predictions=predictions, refused=tuple(refused), waited=fetched.waited
    )


def behind_ms(as_of_ms: Integers, complete_until_ms: int | None) -> Integers:
    """By how much a view is behind each request, 0 if it is complete for it.

    Args:
        as_of_ms: newest window end that each request may see.
        complete_until_ms: newest window end up to which the view is complete, None for never.
    """
    if complete_until_ms is None:
        return np.full(len(as_of_ms), _SINCE_EVER, dtype=np.int64)
    return np.maximum(as_of_ms - complete_until_ms, 0)


def each_as_of(view: FeatureView, times_ms: Integers) -> Integers:
    """Newest window end of a view that requests at these times may see."""
    return np.asarray(view.as_of(times_ms))  # type: ignore[arg-type]  # the same on an array


def _refuse_stale(
    service: FeatureService, fetched: Fetched, kept: npt.NDArray[np.bool_]
) -> list[Refusal]:
    limit = service.max_staleness
    if limit is None or not len(fetched.late_ms):
        return []
    limit_ms = limit.total_seconds() * 1_000
    worst = fetched.late_ms.max(axis=0)
    refused = []
    for row in np.flatnonzero(worst > limit_ms):
        view = service.views[int(fetched.late_ms[:, row].argmax())].name
        behind = "never complete" if worst[row] >= _SINCE_EVER else f"{worst[row]} ms behind"
        detail = f"view {view!r} is {behind}; service {service.name!r} allows {limit}"
        refused.append(Refusal(row=int(row), reason="stale", detail=detail))
        kept[row] = False
    return refused
