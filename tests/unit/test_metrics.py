import numpy as np
import pytest

from models import metrics
from models.errors import TrainingError

# By hand: of the 3 * 2 pairs (true, false) the scores order 4 rightly and 1 is equal.
LABELS = np.array([True, False, True, False, True])
SCORES = np.array([0.9, 0.8, 0.8, 0.3, 0.5], dtype=np.float32)


def test_area_under_roc_counts_equal_scores_as_a_half() -> None:
    assert metrics.area_under_roc(LABELS, SCORES) == pytest.approx((4 + 0.5) / 6)


@pytest.mark.parametrize(
    ("scores", "expected"),
    [([0.1, 0.2, 0.8, 0.9], 1.0), ([0.9, 0.8, 0.2, 0.1], 0.0), ([0.5] * 4, 0.5)],
)
def test_area_under_roc_of_extremes(scores: list[float], expected: float) -> None:
    labels = np.array([False, False, True, True])
    assert metrics.area_under_roc(labels, np.array(scores, dtype=np.float32)) == expected


def test_average_precision_steps_over_distinct_scores() -> None:
    # 0.9: 1 of 1, recall 1/3; 0.8: 2 of 3, recall 2/3; 0.5: 3 of 4, recall 1.
    expected = (1 / 1 + 2 / 3 + 3 / 4) / 3
    assert metrics.average_precision(LABELS, SCORES) == pytest.approx(expected)


def test_log_loss_and_brier() -> None:
    labels, scores = np.array([True, False]), np.array([0.75, 0.5], dtype=np.float32)
    assert metrics.log_loss(labels, scores) == pytest.approx(-(np.log(0.75) + np.log(0.5)) / 2)
    assert metrics.brier_score(labels, scores) == pytest.approx((0.25**2 + 0.5**2) / 2)


def test_log_loss_of_a_certain_mistake_is_finite() -> None:
    assert metrics.log_loss(np.array([True]), np.zeros(1, dtype=np.float32)) == pytest.approx(
        -np.log(1e-15)
    )


def test_top_precision_takes_the_highest_twentieth() -> None:
    scores = np.arange(100, dtype=np.float32)
    labels = np.isin(scores, [99, 97, 95, 94])
    assert metrics.top_precision(labels, scores) == 3 / 5
    assert metrics.top_threshold(scores) == 95.0


def test_of_few_scores_the_top_is_one() -> None:
    assert metrics.top_precision(LABELS, SCORES) == 1.0


def test_both_labels_must_occur() -> None:
    with pytest.raises(TrainingError, match="got 2 true of 2 labels"):
        metrics.evaluate_scores(np.array([True, True]), SCORES[:2])
