"""The scorer: from columns to scores, the same in a stream, behind HTTP and over a table."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from features.service import FeatureService
from models.booster import Scores, predict
from models.loading import Model, check_fits
from models.vector import FeatureVectorizer, Matrix


@dataclass(frozen=True, kw_only=True)
class ScoredBatch:
    """The answers to n requests, in the order of the requests.

    Attributes:
        vectors: float64 of shape (n, features); NaN for null.
        scores: float32 of shape (n,).
        decisions: shape (n,); true from the model's threshold on.
    """

    vectors: Matrix
    scores: Scores
    decisions: npt.NDArray[np.bool_]


class Scorer:
    """Scores requests with one version of a model; knows no broker and no store.

    A row's bits do not depend on the other rows of its batch.
    """

    def __init__(self, service: FeatureService, model: Model) -> None:
        check_fits(model.manifest, service)
        self.model = model
        self._vectorizer = FeatureVectorizer(service, model.manifest.vocabularies)
        self._threshold = np.float32(model.manifest.threshold)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the columns that `score` reads."""
        return self._vectorizer.inputs

    def score(self, columns: Mapping[str, Any]) -> ScoredBatch:
        """Score n requests.

        Args:
            columns: an array of shape (n,) for each of `inputs`, as `FeatureVectorizer.vectors`
                takes them.

        Raises:
            VectorError: some rows cannot become vectors; it names them.
        """
        return self.score_vectors(self.vectors(columns))

    def vectors(self, columns: Mapping[str, Any]) -> Matrix:
        """Build the vectors that `score` would score."""
        return self._vectorizer.vectors(columns)

    def unchecked_vectors(self, columns: Mapping[str, Any]) -> Matrix:
        """Build the same, infinite values included, which `score` refuses."""
        return self._vectorizer.unchecked_vectors(columns)

    def score_vectors(self, vectors: Matrix) -> ScoredBatch:
        """Score vectors as they are, as a replay does with those that were served."""
        scores = predict(self.model.booster, vectors)
        return ScoredBatch(vectors=vectors, scores=scores, decisions=scores >= self._threshold)
