import numpy as np
import pytest

from models.booster import load_booster
from models.columns import columns_of_frame
from models.errors import TrainingError, VectorError, WrongModelError
from models.loading import Model
from models.narrowing import narrowed
from models.scorer import Scorer
from models.train import train
from tests import tiny_model

REQUESTS = 500


def scorer(nthread: int = 1) -> Scorer:
    trained = tiny_model.trained()
    booster = load_booster(trained.booster, nthread=nthread)
    return Scorer(
        tiny_model.service, Model(version="1", manifest=trained.manifest, booster=booster)
    )


def columns() -> dict[str, np.ndarray]:
    return columns_of_frame(tiny_model.service, tiny_model.frame().iloc[:REQUESTS])


@pytest.mark.parametrize("nthread", [1, 2])
@pytest.mark.parametrize("size", [1, 7, 100])
def test_every_batch_size_gives_the_same_bits(size: int, nthread: int) -> None:
    whole = scorer().score(columns())
    subject = scorer(nthread)
    parts = [
        subject.score({name: column[start : start + size] for name, column in columns().items()})
        for start in range(0, REQUESTS, size)
    ]
    assert whole.scores.dtype == np.float32
    assert np.concatenate([part.scores for part in parts]).tobytes() == whole.scores.tobytes()
    assert np.concatenate([part.vectors for part in parts]).tobytes() == whole.vectors.tobytes()
    assert len(set(whole.scores.tolist())) > REQUESTS / 4


def test_decisions_are_true_from_the_threshold_on() -> None:
    batch = scorer().score(columns())
    threshold = np.float32(tiny_model.trained().manifest.threshold)
    assert batch.decisions.tolist() == [score >= threshold for score in batch.scores]
    assert 0 < batch.decisions.sum() < REQUESTS


def test_an_unknown_category_scores_like_null() -> None:
    one = {name: column[:2].copy() for name, column in columns().items()}
    one["country"] = np.array(["never seen", None], dtype=object)
    for name in ("amount", "card_1h_count", "card_1h_country_last"):
        one[name][1] = one[name][0]
    scores = scorer().score(one).scores
    assert scores[0] == scores[1]


def test_no_requests_give_no_scores() -> None:
    batch = scorer().score({name: column[:0] for name, column in columns().items()})
    assert (batch.vectors.shape, batch.scores.shape) == ((0, 5), (0,))


def test_a_refused_row_is_named() -> None:
    bad = columns()
    bad["card_1h_count"][3] = 0.0
    bad["amount"][3] = 1.0
    with pytest.raises(VectorError) as refused:
        scorer().score(bad)
    assert refused.value.rows == (3,)


def test_a_model_of_other_features_is_refused() -> None:
    fewer = narrowed(tiny_model.service, tiny_model.service.features[:2])
    with pytest.raises(WrongModelError, match=r"unknown to the service \['per_payment_2'"):
        Scorer(fewer, scorer().model)


def test_the_model_learns_what_is_there_to_learn() -> None:
    manifest = tiny_model.trained().manifest
    assert manifest.metrics.rows == tiny_model.ROWS - 1_000
    assert manifest.metrics.auc > 0.6
    assert manifest.feature_types == ("c", "q", "q", "c", "q")
    assert manifest.vocabularies["country"] == ("de", "fr", "us", "xx")


def test_training_gives_the_same_booster_again() -> None:
    again = train(
        tiny_model.service,
        tiny_model.frame(),
        split_ms=1_000 * tiny_model.MINUTE_MS,
        nthread=1,
    )
    assert again.booster == tiny_model.trained().booster


def test_a_split_outside_of_the_training_set_is_refused() -> None:
    with pytest.raises(TrainingError, match="leaves 0 rows for training"):
        train(tiny_model.service, tiny_model.frame(), split_ms=0, nthread=1)
