"""The load of the scoring benchmark: 30 features of 3 views, 10,000 entities each, 200 trees."""

from collections.abc import Iterator
from datetime import timedelta
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from feature_repo.writer import InputSlice, OnlineWriter, ProgressStep, RowStep
from features.aggregation import (
    Aggregation,
    Count,
    CountDistinct,
    First,
    Last,
    Max,
    Mean,
    Min,
    StdDev,
    Sum,
)
from features.definitions import Definitions
from features.entity import Entity
from features.fields import Bool, Field, Float64, Int64, String
from features.fingerprint import view_fingerprint
from features.service import FeatureService, Label
from features.source import EVENT_ID, EVENT_TIME_MS, EventSource
from features.view import FeatureView
from features.window import SlidingWindow
from models.artifact import TrainedModel
from models.dataset import EVENT_TIMESTAMP, LABEL
from models.train import train

ENTITIES = 10_000
SLIDE_MS = 10_000
NOW_MS = 1_700_000_040_000

_ROWS_PER_RING = 20
_STEP_ROWS = 4_000
_TRAINING_ROWS = 20_000
_TRAINED_FROM_MS = NOW_MS - _TRAINING_ROWS * 1_000


def _source(name: str) -> EventSource:
    return EventSource(
        name=name,
        fields=(
            Field(name="card", type=Int64(minimum=0)),
            Field(name="merchant", type=String()),
            Field(name="terminal", type=Int64(minimum=0)),
            Field(name="cents", type=Int64(minimum=0, maximum=1_000_000)),
            Field(name="items", type=Int64(minimum=0, maximum=1_000)),
            Field(name="fraud", type=Bool(), nullable=True),
        ),
        lateness=timedelta(seconds=2),
        max_clock_skew=timedelta(seconds=1),
    )


_AGGREGATIONS: tuple[Aggregation, ...] = (
    Count(),
    Sum("cents"),
    Mean("cents"),
    Min("cents"),
    Max("cents"),
    StdDev("cents"),
    First("cents"),
    Last("cents"),
    Mean("items"),
    CountDistinct("items"),
)

requests = _source("bench_payments")


def _view(name: str, *keys: str) -> FeatureView:
    return FeatureView(
        name=name,
        source=requests,
        entity=Entity(name=name, join_keys=keys),
        window=SlidingWindow(size=timedelta(hours=1), slide=timedelta(milliseconds=SLIDE_MS)),
        aggregations=_AGGREGATIONS,
    )


views = (
    _view("by_card", "card"),
    _view("by_merchant", "merchant"),
    _view("by_both", "card", "terminal"),
)

service = FeatureService(
    name="bench_fraud",
    request=requests,
    views=views,
    on_demand=(),
    features=tuple(feature.name for view in views for feature in view.features),
    label=Label(source=_source("bench_verdicts"), column="fraud"),
)

DEFINITIONS = Definitions(views=views, services=(service,))


def request(number: int, event_time_ms: int = NOW_MS) -> dict[str, Any]:
    """Return a request; its entities are spread over all that there are."""
    entity = number * 7_919 % ENTITIES
    return {
        EVENT_ID: f"payment-{number:09}",
        EVENT_TIME_MS: event_time_ms,
        "card": entity,
        "merchant": f"merchant {(entity * 31) % ENTITIES}",
        "terminal": entity % 3,
        "cents": number * 7 % 100_000,
        "items": number % 9,
        "fraud": None,
    }


def keys(view: FeatureView, number: int) -> dict[str, Any]:
    """Return the join keys of entity `number` of a view."""
    entity = {"card": number, "merchant": f"merchant {number}", "terminal": number % 3}
    return {key.name: entity[key.name] for key in view.join_keys}


def feature_values(view: FeatureView, number: int) -> dict[str, Any]:
    """Return the values of a row; they differ from row to row."""
    return {
        feature.name: number % 1_000 / 8 if isinstance(feature.type, Float64) else number % 1_000
        for feature in view.features
    }


def rows(view: FeatureView, slot: int) -> Iterator[dict[str, Any]]:
    """Yield the row of every entity of a view, `slot` slides before the newest window end."""
    window_end_ms = view.as_of(NOW_MS) - slot * SLIDE_MS
    for number in range(ENTITIES):
        yield {
            **keys(view, number),
            "window_end_ms": window_end_ms,
            **feature_values(view, number * 13 + slot),
        }


def fill(writer: OnlineWriter) -> None:
    """Write all rows, and the progress that completes them."""
    progress = []
    for view in views:
        offset = 0
        for slot in reversed(range(_ROWS_PER_RING)):
            whole = list(rows(view, slot))
            for first in range(0, len(whole), _STEP_ROWS):
                part = whole[first : first + _STEP_ROWS]
                source = InputSlice(
                    topic=view.name,
                    partition=0,
                    first_offset=offset,
                    next_offset=offset + len(part),
                )
                writer.apply([RowStep(view=view, rows=part, source=source)])
                offset += len(part)
            progress.append(
                {
                    "view": view.name,
                    "fingerprint": view_fingerprint(view),
                    "window_end_ms": whole[0]["window_end_ms"],
                    "row_count": ENTITIES,
                }
            )
    source = InputSlice(topic="progress", partition=0, first_offset=0, next_offset=len(progress))
    writer.apply([ProgressStep(records=progress, source=source)])


@cache
def trained_model() -> TrainedModel:
    """Train 200 trees of depth 6 on made-up rows."""
    random = np.random.default_rng(5)
    columns = {name: random.integers(0, 1_000, _TRAINING_ROWS) for name in service.features}
    risk = sum(columns[name] for name in service.features[::7])
    frame = pd.DataFrame(
        {
            EVENT_ID: [f"t{number}" for number in range(_TRAINING_ROWS)],
            EVENT_TIME_MS: _TRAINED_FROM_MS + 1_000 * np.arange(_TRAINING_ROWS),
            **columns,
            LABEL: risk + random.normal(0, 500, _TRAINING_ROWS) > np.quantile(risk, 0.8),
        }
    )
    frame[EVENT_TIMESTAMP] = pd.to_datetime(frame[EVENT_TIME_MS], unit="ms", utc=True)
    split_ms = _TRAINED_FROM_MS + 1_000 * (_TRAINING_ROWS - 5_000)
    return train(service, frame, split_ms=split_ms, nthread=1)
