"""Pulls the training set with Feast, sums what was fetched and trains, in a process of its own.

`python -m streaming.reference.training RESULT UNTIL_MS TEST_FROM_MS`
"""

import json
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from feature_repo.rendering import load_store
from features.examples.flights.definitions import (
    BATCH_FEATURES,
    ON_DEMAND_FEATURES,
    STREAMING_FEATURES,
    departure_delay,
)
from features.examples.flights.history import FlightsHistory, read_history
from features.instant import duration_ms
from features.source import EVENT_TIME_MS
from models.dataset import entity_rows
from models.metrics import Metrics
from models.narrowing import narrowed
from models.parts import training_set_in_parts
from models.train import train
from streaming.local.deployment import apply_feast
from streaming.reference.definitions import SUM_VIEWS, VIEWS, reference
from streaming.reference.sums import ViewSums
from streaming.settings import Settings

FEATURE_SETS = {
    "on_demand": ON_DEMAND_FEATURES,
    "batch": ON_DEMAND_FEATURES + BATCH_FEATURES,
    "streaming": ON_DEMAND_FEATURES + STREAMING_FEATURES,
    "all": departure_delay.features,
}
_PART_MS = duration_ms(timedelta(days=30))
# An hour from the request to the schedule, and the longest delay is less than a day.
_OUTCOME_WITHIN_MS = duration_ms(timedelta(days=2))
_NTHREAD = 2


def main(result: Path, until_ms: int, test_from_ms: int) -> None:
    """Write the sums over the fetched values of every view and the metrics of every set."""
    settings = Settings()
    apply_feast(settings)
    store = load_store(settings.feature_store_yaml)
    sums = {
        view.name: ViewSums(view, [each for each in SUM_VIEWS if each.name == f"{view.name}_sums"])
        for view in VIEWS
    }

    def seen(frame: Any) -> None:  # noqa: ANN401 - a pandas DataFrame
        for each in sums.values():
            each.add(frame)

    frame = training_set_in_parts(
        store,
        reference,
        _labelled_requests(read_history(), until_ms),
        kept=departure_delay.features,
        seen=seen,
    )
    figures = {
        "training_rows": int((frame[EVENT_TIME_MS] < test_from_ms).sum()),
        "test_rows": int((frame[EVENT_TIME_MS] >= test_from_ms).sum()),
        "views": {name: each.figures for name, each in sums.items()},
        "metrics": {
            name: _metrics(
                train(
                    narrowed(departure_delay, features),
                    frame,
                    split_ms=test_from_ms,
                    nthread=_NTHREAD,
                ).manifest.metrics
            )
            for name, features in FEATURE_SETS.items()
        },
    }
    result.write_text(json.dumps(figures), encoding="utf-8")


def _labelled_requests(history: FlightsHistory, until_ms: int) -> Iterator[Any]:
    """Yield the entity rows of a month of requests after the other."""
    start_ms = next(history.events("boardings"))[EVENT_TIME_MS]
    while start_ms < until_ms:
        end_ms = min(start_ms + _PART_MS, until_ms)
        requests = history.events("boardings", start_ms=start_ms, end_ms=end_ms)
        outcomes = history.events(
            "departures", start_ms=start_ms, end_ms=min(end_ms + _OUTCOME_WITHIN_MS, until_ms)
        )
        yield entity_rows(departure_delay, requests, outcomes)
        start_ms = end_ms


def _metrics(metrics: Metrics) -> dict[str, float]:
    return {
        "auc": metrics.auc,
        "ap": metrics.average_precision,
        "log_loss": metrics.log_loss,
        "brier": metrics.brier,
        "precision_at_5": metrics.top_precision,
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
