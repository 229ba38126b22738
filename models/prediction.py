"""Predictions of a batch, column by column, with their receipts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from features.service import FeatureService
from features.source import EVENT_ID, EVENT_TIME_MS
from models.loading import Model
from models.scorer import ScoredBatch

Integers = npt.NDArray[np.int64]


class Mark(StrEnum):
    """What a prediction says of a view that did not simply have a row.

    All but UNKNOWN can explain that a replay finds other values.
    """

    STALE = "STALE"
    AHEAD = "AHEAD"
    DEGRADED = "DEGRADED"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """Why a request has no prediction.

    Attributes:
        row: position of the request.
        reason: one word, `invalid` or `stale`.
        detail: the whole sentence.
    """

    row: int
    reason: str
    detail: str


@dataclass(frozen=True, kw_only=True)
class ViewReceipt:
    """What n predictions say of one view; all arrays have shape (n,).

    Attributes:
        view: its name.
        fingerprint: of its definition.
        as_of_ms: newest window end that each request could see.
        window_end_ms: window end of the row that was used, of no meaning where there is none.
        found: whether there was a row.
        marks: a `Mark` or None.
    """

    view: str
    fingerprint: str
    as_of_ms: Integers
    window_end_ms: Integers
    found: npt.NDArray[np.bool_]
    marks: npt.NDArray[np.object_]

    def taken(self, rows: Integers) -> "ViewReceipt":
        """Return the receipts of some predictions, by position."""
        return ViewReceipt(
            view=self.view,
            fingerprint=self.fingerprint,
            as_of_ms=self.as_of_ms[rows],
            window_end_ms=self.window_end_ms[rows],
            found=self.found[rows],
            marks=self.marks[rows],
        )


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """The predictions of n requests, in the order of the requests.

    Attributes:
        service: that was asked.
        model: that scored them all.
        scored: vectors, scores and decisions.
        receipts: one for each view of the service, in its order.
    """

    service: FeatureService
    model: Model
    scored: ScoredBatch
    receipts: tuple[ViewReceipt, ...]

    @cached_property
    def key_names(self) -> tuple[str, ...]:
        """Join keys of the service's views, sorted."""
        return tuple(sorted({key.name for view in self.service.views for key in view.join_keys}))

    def __len__(self) -> int:
        return len(self.scored.scores)

    def records(self, requests: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Return each prediction as a record, without where its request came from and when.

        Args:
            requests: the n requests.
        """
        common = {
            "service": self.service.name,
            "fingerprint": self.model.manifest.service_fingerprint,
            "model_name": self.service.name,
            "model_version": self.model.version,
            "model_sha256": self.model.manifest.booster_sha256,
        }
        return [
            {
                **common,
                "event_id": request[EVENT_ID],
                "event_time_ms": request[EVENT_TIME_MS],
                "keys": {name: request[name] for name in self.key_names},
                "score": float(self.scored.scores[row]),
                "decision": bool(self.scored.decisions[row]),
                "vector": self.scored.vectors[row].tolist(),
                "views": [_receipt(receipt, row) for receipt in self.receipts],
            }
            for row, request in enumerate(requests)
        ]


def _receipt(receipt: ViewReceipt, row: int) -> dict[str, Any]:
    mark = receipt.marks[row]
    return {
        "view": receipt.view,
        "fingerprint": receipt.fingerprint,
        "as_of_ms": int(receipt.as_of_ms[row]),
        "window_end_ms": int(receipt.window_end_ms[row]) if receipt.found[row] else None,
        "mark": None if mark is None else str(mark),
    }
