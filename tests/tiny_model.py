"""A small service, a training set for it, and a model: for the tests of models."""

from datetime import timedelta
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.aggregation import Count, Last
from features.entity import Entity
from features.fields import Bool, Field, Int64, String
from features.on_demand import OnDemandFeature
from features.service import FeatureService, Label
from features.source import EventSource
from features.view import FeatureView
from features.window import SlidingWindow
from models.artifact import TrainedModel
from models.train import train

HOUR = timedelta(hours=1)
TWO_HOURS = SlidingWindow(size=2 * HOUR, slide=timedelta(minutes=5))
MINUTE_MS = 60_000
ROWS = 1_500


def ratio(amount: npt.NDArray[np.float64], count: npt.NDArray[np.float64]) -> Any:
    return amount / count


def doubled(value: npt.NDArray[np.float64]) -> Any:
    return value * 2.0


def source(name: str) -> EventSource:
    return EventSource(
        name=name,
        fields=(
            Field(name="card", type=String()),
            Field(name="country", type=String(), nullable=True),
            Field(name="amount", type=Int64(minimum=0, maximum=1_000), nullable=True),
            Field(name="fraud", type=Bool(), nullable=True),
        ),
        lateness=timedelta(minutes=1),
    )


payments = source("payments")
card_1h = FeatureView(
    name="card_1h",
    source=payments,
    entity=Entity(name="card", join_keys=("card",)),
    window=SlidingWindow(size=HOUR, slide=timedelta(minutes=5)),
    aggregations=(Count(), Last("country")),
)
service = FeatureService(
    name="fraud",
    request=payments,
    views=(card_1h,),
    on_demand=(
        OnDemandFeature(name="per_payment", inputs=("amount", "card_1h_count"), function=ratio),
        OnDemandFeature(name="per_payment_2", inputs=("per_payment",), function=doubled),
    ),
    features=("card_1h_country_last", "amount", "per_payment_2", "country", "card_1h_count"),
    label=Label(source=source("verdicts"), column="fraud"),
)


def frame() -> pd.DataFrame:
    """A training set, one row a minute: payments of 500 and more from "xx" are mostly fraud."""
    random = np.random.default_rng(3)
    countries = random.choice(["de", "fr", "us", "xx"], size=ROWS)
    amount = random.integers(0, 1_000, size=ROWS)
    suspicious = (countries == "xx") & (amount >= 500)
    return pd.DataFrame(
        {
            "event_id": [f"p{i}" for i in range(ROWS)],
            "event_time_ms": np.arange(ROWS) * MINUTE_MS,
            "card": random.choice(["a", "b", "c"], size=ROWS),
            "country": countries,
            "amount": pd.array(np.where(amount > 990, None, amount), dtype="Int64"),
            "card_1h_count": random.integers(1, 9, size=ROWS),
            "card_1h_country_last": random.choice(["de", "fr", None], size=ROWS),
            "label": random.random(ROWS) < np.where(suspicious, 0.8, 0.1),
        }
    )


@cache
def trained() -> TrainedModel:
    return train(service, frame(), split_ms=1_000 * MINUTE_MS, nthread=1)
