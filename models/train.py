"""Training: from a training set to a model with everything needed to score with it."""

import hashlib

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.fingerprint import service_fingerprint, view_fingerprint
from features.service import FeatureService
from features.source import EVENT_TIME_MS
from models.artifact import TrainedModel
from models.booster import (
    CATEGORY,
    PARAMETERS,
    QUANTITY,
    ROUNDS,
    XGBOOST_VERSION,
    fit_booster,
    load_booster,
    predict,
    score_bits,
)
from models.columns import columns_of_frame
from models.dataset import LABEL
from models.errors import TrainingError
from models.manifest import Manifest
from models.metrics import Labels, evaluate_scores, top_threshold
from models.vector import FeatureVectorizer, Matrix

GOLDEN_ROWS = 32


def train(
    service: FeatureService, frame: pd.DataFrame, *, split_ms: int, nthread: int
) -> TrainedModel:
    """Train on the requests before an instant and evaluate on the others.

    Args:
        service: the features to use; `narrowed` gives a service with fewer.
        frame: a training set, as Feast returns it for entity rows with `label`.
        split_ms: end of the training range and start of the test range, milliseconds.
        nthread: threads to use.
    """
    training = frame[frame[EVENT_TIME_MS] < split_ms]
    test = frame[frame[EVENT_TIME_MS] >= split_ms]
    if training.empty or test.empty:
        msg = (
            f"service {service.name!r}: the split at {split_ms} leaves {len(training)} rows for "
            f"training and {len(test)} for the test; both need some"
        )
        raise TrainingError(msg)
    vocabularies = _vocabularies(service, training)
    vectorizer = FeatureVectorizer(service, vocabularies)
    types = tuple(CATEGORY if name in service.categories else QUANTITY for name in service.features)
    content = fit_booster(
        vectorizer.vectors(columns_of_frame(service, training)),
        _labels(training),
        names=service.features,
        types=types,
        nthread=nthread,
    )
    vectors = vectorizer.vectors(columns_of_frame(service, test))
    scores = predict(load_booster(content, nthread=nthread), vectors)
    golden = np.linspace(0, len(test) - 1, min(GOLDEN_ROWS, len(test))).astype(int)
    manifest = Manifest(
        service=service.name,
        service_fingerprint=service_fingerprint(service),
        views={view.name: view_fingerprint(view) for view in service.views},
        features=service.features,
        feature_types=types,
        vocabularies=vocabularies,
        trained_from_ms=int(training[EVENT_TIME_MS].min()),
        trained_until_ms=split_ms,
        parameters={**PARAMETERS, "rounds": ROUNDS, "xgboost": XGBOOST_VERSION},
        metrics=evaluate_scores(_labels(test), scores),
        threshold=top_threshold(scores),
        golden_vectors=_with_none(vectors[golden]),
        golden_score_bits=score_bits(scores[golden]),
        booster_sha256=hashlib.sha256(content).hexdigest(),
    )
    return TrainedModel(manifest=manifest, booster=content)


def _labels(frame: pd.DataFrame) -> npt.NDArray[np.bool_]:
    labels: Labels = frame[LABEL].to_numpy(dtype=np.bool_)
    return labels


def _vocabularies(service: FeatureService, frame: pd.DataFrame) -> dict[str, tuple[str, ...]]:
    return {
        name: tuple(sorted(word for word in frame[name].unique() if isinstance(word, str)))
        for name in service.categories
    }


def _with_none(vectors: Matrix) -> tuple[tuple[float | None, ...], ...]:
    return tuple(tuple(None if np.isnan(x) else x for x in row) for row in vectors.tolist())
