"""Boosters: the only module that calls XGBoost."""

from typing import Any

import numpy as np
import numpy.typing as npt
import xgboost

from models.errors import DamagedModelError
from models.vector import Matrix

Scores = npt.NDArray[np.float32]

PARAMETERS: dict[str, Any] = {
    "objective": "binary:logistic",
    "tree_method": "hist",
    "max_depth": 6,
    "eta": 0.08,
    "min_child_weight": 20,
    "subsample": 0.8,
    "colsample_bytree": 0.5,
    "lambda": 5,
    "seed": 7,
}
ROUNDS = 200

CATEGORY = "c"
QUANTITY = "q"

XGBOOST_VERSION: str = xgboost.__version__


def fit_booster(
    vectors: Matrix,
    labels: npt.NDArray[np.bool_],
    *,
    names: tuple[str, ...],
    types: tuple[str, ...],
    nthread: int,
) -> bytes:
    """Train a booster and return it in XGBoost's UBJ form; NaN is missing.

    Args:
        vectors: shape (n, features).
        labels: shape (n,).
        names: of the features, in the order of the vectors.
        types: `CATEGORY` (values are codes from 0) or `QUANTITY`, for each feature.
        nthread: threads to use.
    """
    data = xgboost.DMatrix(
        vectors,
        label=labels,
        feature_names=list(names),
        feature_types=list(types),
        enable_categorical=True,
        nthread=nthread,
    )
    booster = xgboost.train({**PARAMETERS, "nthread": nthread}, data, num_boost_round=ROUNDS)
    return bytes(booster.save_raw("ubj"))


def load_booster(content: bytes, *, nthread: int) -> Any:  # noqa: ANN401
    """Load a booster; damaged content can crash the process, so check it elsewhere first.

    Raises:
        DamagedModelError: XGBoost found that it is no booster.
    """
    booster = xgboost.Booster({"nthread": nthread})
    try:
        booster.load_model(bytearray(content))
    except xgboost.core.XGBoostError as error:
        reason = str(error).splitlines()[0]
        msg = f"booster of {len(content)} bytes: XGBoost refuses it ({reason})"
        raise DamagedModelError(msg) from error
    booster.set_param({"nthread": nthread})
    return booster


def predict(booster: Any, vectors: Matrix) -> Scores:  # noqa: ANN401
    """Scores of shape (n,), float32; a row's score does not depend on the other rows."""
    if not len(vectors):
        return np.empty(0, dtype=np.float32)
    scores: Scores = booster.inplace_predict(vectors)
    return scores


def score_bits(scores: Scores) -> tuple[int, ...]:
    """Scores as unsigned integers, to compare them bit by bit."""
    return tuple(scores.view(np.uint32).tolist())
