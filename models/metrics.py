"""Metrics of a binary model, from labels (bool) and scores (probabilities), both of shape (n,)."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.errors import TrainingError

Labels = npt.NDArray[np.bool_]
Scores = npt.NDArray[np.float32]

TOP_SHARE = 0.05
_SMALLEST_PROBABILITY = 1e-15


@dataclass(frozen=True, kw_only=True)
class Metrics:
    """What a model reached on one time range.

    Attributes:
        rows: number of labelled requests.
        positive_share: share of them whose label is true.
        auc: area under the ROC curve.
        average_precision: area under the precision-recall steps.
        log_loss: mean negative log-likelihood, natural logarithm.
        brier: mean squared error of the probability.
        top_precision: share of true labels among the 5 % with the highest scores.
    """

    rows: int
    positive_share: float
    auc: float
    average_precision: float
    log_loss: float
    brier: float
    top_precision: float


def evaluate_scores(labels: Labels, scores: Scores) -> Metrics:
    """Compute all metrics; both labels must occur."""
    if not labels.any() or labels.all():
        msg = f"metrics: got {int(labels.sum())} true of {len(labels)} labels; both must occur"
        raise TrainingError(msg)
    return Metrics(
        rows=len(labels),
        positive_share=float(labels.mean()),
        auc=area_under_roc(labels, scores),
        average_precision=average_precision(labels, scores),
        log_loss=log_loss(labels, scores),
        brier=brier_score(labels, scores),
        top_precision=top_precision(labels, scores),
    )


def area_under_roc(labels: Labels, scores: Scores) -> float:
    """Probability that a true label scores above a false one; equal scores count as a half."""
    _, group, sizes = np.unique(scores, return_inverse=True, return_counts=True)
    last_rank = np.cumsum(sizes)
    ranks = (last_rank - (sizes - 1) / 2.0)[group]
    positives = int(labels.sum())
    negatives = len(labels) - positives
    above = float(ranks[labels].sum()) - positives * (positives + 1) / 2.0
    return above / (positives * negatives)


def average_precision(labels: Labels, scores: Scores) -> float:
    """Sum over distinct scores, from the highest: precision times the recall gained there."""
    _, group = np.unique(-scores, return_inverse=True)
    found = np.cumsum(np.bincount(group, weights=labels))
    taken = np.cumsum(np.bincount(group))
    gained = np.diff(found, prepend=0.0) / found[-1]
    return float((found / taken * gained).sum())


def log_loss(labels: Labels, scores: Scores) -> float:
    """Mean negative log-likelihood of the labels."""
    probability = np.clip(
        scores.astype(np.float64), _SMALLEST_PROBABILITY, 1.0 - _SMALLEST_PROBABILITY
    )
    return float(-np.log(np.where(labels, probability, 1.0 - probability)).mean())


def brier_score(labels: Labels, scores: Scores) -> float:
    """Mean squared difference between probability and label."""
    return float(np.square(scores.astype(np.float64) - labels).mean())


def top_precision(labels: Labels, scores: Scores) -> float:
    """Share of true labels among the top 5 %; equal scores count in the order given."""
    order = np.argsort(-scores, kind="stable")
    return float(labels[order[: _top_count(len(scores))]].mean())


def top_threshold(scores: Scores) -> float:
    """Score that the top 5 % reach."""
    return float(np.sort(scores)[-_top_count(len(scores))])


def _top_count(n: int) -> int:
    return max(1, round(n * TOP_SHARE))
