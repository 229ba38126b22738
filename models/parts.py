"""A training set that is asked for in parts, so that Feast never holds all of it."""

from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd

from features.service import FeatureService
from features.source import EVENT_TIME_MS
from models.dataset import LABEL, OfflineFeatures, training_set
from models.errors import TrainingError


def training_set_in_parts(
    store: OfflineFeatures,
    service: FeatureService,
    parts: Iterable[pd.DataFrame],
    *,
    kept: tuple[str, ...],
    seen: Callable[[pd.DataFrame], None],
) -> pd.DataFrame:
    """Ask Feast for the features of each part in turn.

    Args:
        store: a `feast.FeatureStore` to which the definitions are applied.
        service: its Feast namesake is asked for.
        parts: entity rows with labels, as `models.dataset.entity_rows` makes them.
        kept: features that stay in the result.
        seen: called with the whole answer for each part.

    Returns:
        `event_time_ms`, the label and the features that are kept; numbers in float32, in which
        XGBoost computes anyway.
    """
    compact = []
    for rows in parts:
        frame = training_set(store, service, rows)
        seen(frame)
        texts = set(service.categories)
        columns = {
            name: frame[name]
            if name in texts
            else frame[name].to_numpy(dtype=np.float64, na_value=np.nan).astype(np.float32)
            for name in kept
        }
        fixed = {EVENT_TIME_MS: frame[EVENT_TIME_MS].astype(np.int64), LABEL: frame[LABEL]}
        compact.append(pd.DataFrame(fixed | columns))
    if not compact:
        msg = f"service {service.name!r}: got no requests; a training set needs some"
        raise TrainingError(msg)
    return pd.concat(compact, ignore_index=True)
