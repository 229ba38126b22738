"""Replay: recompute every served vector and score from the log, and compare bits.

The vectors come by the way of training: a bounded Flink run over the validated log, Feast's
point-in-time join over its rows, and the vectorizer of the model.
"""

import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from feature_repo.feast_objects import apply
from feature_repo.rendering import open_store
from features.definitions import Definitions
from features.fingerprint import service_fingerprint
from features.service import FeatureService
from features.source import EVENT_ID, EVENT_TIME_MS
from models.artifact import read_artifact
from models.columns import columns_of_frame
from models.dataset import request_rows, training_set
from models.loading import load_model
from models.scorer import Scorer
from models.vector import Matrix
from streaming.audit.served import Position, Served, position, read_served
from streaming.audit.verdict import Judgement, Verdict, judge
from streaming.flink.backfill import BackfillReport, run_backfill
from streaming.flink.horizon import capture_end_offsets
from streaming.scoring.promotion import Promotion
from streaming.settings import Settings

_SHOWN = 10
_NTHREAD = 1

# A prediction, and the request that it answers.
_Answer = tuple[dict[str, Any], dict[str, Any]]
_Judged = tuple[dict[str, Any], Judgement]
# Version and checksum of the booster.
_Model = tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class ReplayReport:
    """The proof, or what speaks against it.

    Attributes:
        service: name of the feature service.
        requests: number of requests that should have a prediction.
        predictions: number of predictions found for them.
        over_http: number of predictions that were answered over HTTP; they are judged like those
            of the stream.
        exact: predictions whose every bit is what the log says.
        explained: predictions that differ where a mark says why, by marks.
        unexplained: predictions that differ without a mark.
        missing: requests without a prediction and without a dead letter.
        doubled: predictions beyond the first for one request.
        refused: requests that ended as dead letters.
        other_definitions: predictions by models of former definitions of the service; they are
            not judged, as only those definitions can.
        pending: requests that the scorer has not reached yet, or that the log cannot judge yet.
        examples: the first few things that speak against the proof, one line each.
        log_events_read: end offsets of the logs that were recomputed, summed.
    """

    service: str
    requests: int
    predictions: int
    over_http: int
    exact: int
    explained: dict[str, int]
    unexplained: int
    missing: int
    doubled: int
    refused: int
    other_definitions: int
    pending: int
    examples: list[str]
    log_events_read: int

    @property
    def proven(self) -> bool:
        """Whether nothing is missing, doubled or unexplained, and something was served."""
        served = self.requests + self.over_http
        return not (self.missing or self.doubled or self.unexplained) and served > 0


def replay(settings: Settings, definitions: Definitions, service: FeatureService) -> ReplayReport:
    """Verify every prediction of a service.

    Raises:
        NothingServedError: no model was ever promoted.
        LogError: a log has lost its beginning.
        DamagedModelError: a model that was used is no longer what it was.
    """
    served = read_served(settings.kafka, service)
    ends = capture_end_offsets(settings.kafka, definitions.sources)
    answered: dict[Position, dict[str, Any]] = {}
    doubled = 0
    for prediction in served.predictions:
        doubled += position(prediction) in answered
        answered.setdefault(position(prediction), prediction)
    missing = served.requests.keys() - answered.keys() - set(served.refused)
    answers = [(prediction, served.requests[at]) for at, prediction in answered.items()]
    judgements: list[_Judged] = []
    for prediction, request in served.over_http:
        if request is None:
            judgements.append((prediction, _unexplained("it brings no request that can be read")))
        else:
            answers.append((prediction, request))
    others = _of_other_definitions(service, served.promotions)
    running = [answer for answer in answers if _model(answer[0]) not in others]
    with tempfile.TemporaryDirectory(prefix="verify-", dir=settings.state_dir) as work:
        rows = Path(work)
        backfill = run_backfill(settings, service.views, ends, rows)
        known = [answer for answer in running if _is_known(service, backfill, answer[1])]
        judgements += _judge_all(settings, service, served.promotions, known, rows)
    return _report(
        service,
        served,
        judgements,
        doubled=doubled,
        missing=sorted(missing),
        unknown=len(running) - len(known),
        other_definitions=len(answers) - len(running),
        log_events_read=sum(end for by_partition in ends.values() for end in by_partition.values()),
    )


def _is_known(
    service: FeatureService, backfill: BackfillReport, request: Mapping[str, Any]
) -> bool:
    """Whether the log already says what each view is as of the request."""
    return all(
        view.as_of(request[EVENT_TIME_MS]) <= backfill.horizon_ms[view.source.name]
        for view in service.views
    )


def _judge_all(
    settings: Settings,
    service: FeatureService,
    promotions: Sequence[Promotion],
    answers: Sequence[_Answer],
    rows: Path,
) -> list[_Judged]:
    if not answers:
        return []
    # Over HTTP one event id may be asked for many times, so each answer gets an id of its own.
    requests = [{**request, EVENT_ID: f"{n:012}"} for n, (_, request) in enumerate(answers)]
    store = open_store(rows / "feast", online_store=settings.online_store)
    apply(store, settings.definitions, rows)
    frame = training_set(store, service, request_rows(service, requests)).sort_values(EVENT_ID)
    judged: list[_Judged] = []
    promoted = _by_model(promotions)
    for model in dict.fromkeys(_model(prediction) for prediction, _ in answers):
        chosen = [n for n, (prediction, _) in enumerate(answers) if _model(prediction) == model]
        if model not in promoted:
            unknown = _unexplained(f"model version {model[0]}, {model[1]}, was never promoted")
            judged += [(answers[n][0], unknown) for n in chosen]
            continue
        scorer = _scorer(service, promoted[model])
        # What was refused as infinite was not served, but what was served with nulls may be.
        recomputed = scorer.unchecked_vectors(columns_of_frame(service, frame.iloc[chosen]))
        judged += _judge_model(service, scorer, [answers[n] for n in chosen], recomputed)
    return judged


def _model(prediction: Mapping[str, Any]) -> _Model:
    return prediction["model_version"], prediction["model_sha256"]


def _by_model(promotions: Sequence[Promotion]) -> dict[_Model, Promotion]:
    # The same booster may be registered again, with another threshold.
    return {(each.model_version, each.model_sha256): each for each in promotions}


def _of_other_definitions(service: FeatureService, promotions: Sequence[Promotion]) -> set[_Model]:
    """Models that were made for former definitions of the service."""
    running = service_fingerprint(service)
    return {
        model
        for model, promotion in _by_model(promotions).items()
        if read_artifact(promotion.path).manifest.service_fingerprint != running
    }


def _unexplained(reason: str) -> Judgement:
    return Judgement(verdict=Verdict.UNEXPLAINED, reason=reason)


def _judge_model(
    service: FeatureService,
    scorer: Scorer,
    asked: Sequence[_Answer],
    recomputed: Matrix,
) -> list[_Judged]:
    judged = []
    for (prediction, request), vector in zip(asked, recomputed, strict=True):
        rescored = scorer.score_vectors(np.array([prediction["vector"]], dtype=np.float64))
        judgement = judge(
            service,
            request,
            prediction,
            vector,
            rescored.scores[0],
            decision=bool(rescored.decisions[0]),
        )
        judged.append((prediction, judgement))
    return judged


def _scorer(service: FeatureService, promotion: Promotion) -> Scorer:
    model = load_model(promotion.path, promotion.model_version, service, nthread=_NTHREAD)
    return Scorer(service, model)


def _report(
    service: FeatureService,
    served: Served,
    judged: Sequence[_Judged],
    *,
    doubled: int,
    missing: Sequence[tuple[int, int]],
    unknown: int,
    other_definitions: int,
    log_events_read: int,
) -> ReplayReport:
    verdicts = Counter(judgement.verdict for _, judgement in judged)
    explained = Counter(j.reason for _, j in judged if j.verdict is Verdict.EXPLAINED)
    examples = [
        f"{prediction['event_id']}: {judgement.reason}"
        for prediction, judgement in judged
        if judgement.verdict is Verdict.UNEXPLAINED
    ]
    examples += [f"{served.requests[at]['event_id']}: no prediction" for at in missing]
    return ReplayReport(
        service=service.name,
        requests=len(served.requests),
        predictions=len(served.predictions),
        over_http=len(served.over_http),
        exact=verdicts[Verdict.EXACT],
        explained=dict(explained),
        unexplained=verdicts[Verdict.UNEXPLAINED],
        missing=len(missing),
        doubled=doubled,
        refused=len(served.refused),
        other_definitions=other_definitions,
        pending=served.pending + unknown,
        examples=examples[:_SHOWN],
        log_events_read=log_events_read,
    )
