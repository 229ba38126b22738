"""The verdict on one prediction: was it exactly what the event log says?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from features.service import FeatureService
from features.source import EVENT_ID, EVENT_TIME_MS
from models.prediction import Mark

# That an entity was not known must be so in the log, too.
_EXPLAINING = frozenset(Mark) - {Mark.UNKNOWN}


class Verdict(StrEnum):
    """What replay says of a prediction."""

    EXACT = "EXACT"
    EXPLAINED = "EXPLAINED"
    UNEXPLAINED = "UNEXPLAINED"


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """A verdict with its reason: the marks that explain it, or what does not agree."""

    verdict: Verdict
    reason: str


def judge(
    service: FeatureService,
    request: Mapping[str, Any],
    prediction: Mapping[str, Any],
    recomputed: npt.NDArray[np.float64],
    rescored: np.float32,
    *,
    decision: bool,
) -> Judgement:
    """Compare one prediction with what the log says, bit for bit.

    Args:
        service: the service that served it.
        request: the event in the validated log that the prediction names.
        prediction: the record, receipts included.
        recomputed: vector recomputed from the log, in the order of the service's features.
        rescored: score that the model named in the prediction gives to the served vector.
        decision: decision that the model gives to that score.
    """
    if claim := _false_claim(service, request, prediction, rescored, decision=decision):
        return _unexplained(claim)
    served = np.array(prediction["vector"], dtype=np.float64)
    if served.shape != recomputed.shape:
        return _unexplained(f"{served.size} values, the service has {recomputed.size} features")
    receipts = {receipt["view"]: receipt for receipt in prediction["views"]}
    different = _different_features(service.features, served, recomputed)
    if not different:
        return Judgement(verdict=Verdict.EXACT, reason="")
    marks = set()
    for index in different:
        name = service.features[index]
        explaining = {
            str(mark)
            for view in service.views_behind(name)
            if (mark := receipts[view]["mark"]) in _EXPLAINING
        }
        if not explaining:
            return _unexplained(f"{name}: served {served[index]!r}, the log {recomputed[index]!r}")
        marks |= explaining
    return Judgement(verdict=Verdict.EXPLAINED, reason="+".join(sorted(marks)))


def _false_claim(
    service: FeatureService,
    request: Mapping[str, Any],
    prediction: Mapping[str, Any],
    rescored: np.float32,
    *,
    decision: bool,
) -> str | None:
    """What a prediction says of itself that is not so, its vector left aside; None if all is."""
    for name in (EVENT_ID, EVENT_TIME_MS):
        if prediction[name] != request[name]:
            return f"{name} {prediction[name]!r}, the request has {request[name]!r}"
    receipts = {receipt["view"]: receipt for receipt in prediction["views"]}
    for view in service.views:
        receipt = receipts.get(view.name)
        as_of = view.as_of(request[EVENT_TIME_MS])
        if receipt is None or receipt["as_of_ms"] != as_of:
            return f"the receipt of view {view.name} does not say as of {as_of}"
    if np.float32(prediction["score"]).tobytes() != np.float32(rescored).tobytes():
        return f"score {prediction['score']!r}, the model gives {rescored!r}"
    if prediction["decision"] != decision:
        return f"decision {prediction['decision']}, the model gives {decision}"
    return None


def _different_features(
    names: Sequence[str], served: npt.NDArray[np.float64], recomputed: npt.NDArray[np.float64]
) -> list[int]:
    """Positions at which the bits differ; every NaN is the one null."""
    return [
        index
        for index in range(len(names))
        if served[index].tobytes() != recomputed[index].tobytes()
        and not (np.isnan(served[index]) and np.isnan(recomputed[index]))
    ]


def _unexplained(reason: str) -> Judgement:
    return Judgement(verdict=Verdict.UNEXPLAINED, reason=reason)
