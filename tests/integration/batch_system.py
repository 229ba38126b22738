"""A small offline store, a model and a file of requests, for the tests of batch prediction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from batch_definitions import card, fraud

from feature_repo.feast_objects import apply
from feature_repo.offline import offline_schema, table_of_rows
from feature_repo.offline_history import replace_history
from feature_repo.offline_parts import write_part
from feature_repo.rendering import open_store
from features.evaluator import evaluate
from features.service import FeatureService
from features.source import EVENT_TIME_MS
from models.artifact import TrainedModel, write_artifact
from models.columns import as_column, column_types
from models.scorer import ScoredBatch, Scorer
from models.train import train
from tests.tiny_model import MINUTE_MS, frame

NOWHERE = "127.0.0.1:1"
DAY_MS = 24 * 60 * MINUTE_MS
# The offline rows end here; some requests are later.
UNTIL_MS = DAY_MS - 60 * MINUTE_MS
CARDS = [*(f"card {number}" for number in range(20)), "zürich ✓"]
VERSION = "7"


@cache
def trained(service: FeatureService) -> TrainedModel:
    """Train a model of a service."""
    return train(service, frame(), split_ms=1_000 * MINUTE_MS, nthread=1)


def payments() -> list[dict[str, Any]]:
    """A day of events, in order."""
    random = np.random.default_rng(1)
    times = np.sort(random.integers(0, UNTIL_MS, 1_500))
    return [
        {
            "event_id": f"e{number}",
            EVENT_TIME_MS: int(time),
            "card": CARDS[random.integers(len(CARDS))],
            "country": [None, "de", "fr"][random.integers(3)],
            "amount": int(random.integers(1_000)),
            "fraud": None,
        }
        for number, time in enumerate(times)
    ]


def requests(n: int) -> pd.DataFrame:
    """Requests before, during and after the day; some cards are not known or null."""
    random = np.random.default_rng(2)
    amount = random.integers(0, 1_000, n)
    return pd.DataFrame(
        {
            "note": random.random(n),
            "event_id": [f"r{number}" for number in range(n)],
            EVENT_TIME_MS: random.integers(-60 * MINUTE_MS, DAY_MS, n),
            "card": random.choice([*CARDS, "nobody", None], n),
            "country": random.choice(["de", "fr", "us", None], n),
            "amount": pd.array(np.where(amount > 900, None, amount), dtype="Int64"),
        }
    )


@dataclass(frozen=True, kw_only=True)
class BatchSystem:
    """A state directory with offline rows, `requests.parquet` and a model of each service."""

    state: Path
    scorer: Scorer

    @property
    def requests(self) -> Path:
        """File of requests."""
        return self.state / "requests.parquet"

    def model(self, service: FeatureService = fraud) -> Path:
        """Directory of the model of a service."""
        return self.state / "models" / service.name / VERSION


def deploy(state: Path, services: Sequence[FeatureService], n: int) -> None:
    """Write all files of a `BatchSystem` with n requests."""
    offline = state / "offline"
    apply(open_store(state, online_store=NOWHERE), "batch_definitions", offline)
    rows = [
        (*row.keys, row.window_end_ms, *row.values.values())
        for row in evaluate(card, payments(), UNTIL_MS)
    ]
    written = state / "written"
    part = write_part(written, offline_schema(card), [table_of_rows(card, rows)])
    replace_history(offline, card, written, part, UNTIL_MS)
    for service in services:
        directory = state / "models" / service.name / VERSION
        directory.mkdir(parents=True)
        write_artifact(directory, trained(service))
    requests(n).to_parquet(state / "requests.parquet", index=False)


def scored_by_a_loop(
    scorer: Scorer, asked: Sequence[Mapping[str, Any]]
) -> tuple[ScoredBatch, list[int | None]]:
    """Score requests with rows that a loop finds; also return the window ends of the rows."""
    rows: dict[str, list[Any]] = {}
    for row in evaluate(card, payments(), UNTIL_MS):
        rows.setdefault(row.keys[0], []).append(row)
    names = [feature.name for feature in card.features]
    seen, ends = [], []
    for request in asked:
        as_of = card.as_of(request[EVENT_TIME_MS])
        earlier = [row for row in rows.get(request["card"], ()) if row.window_end_ms <= as_of]
        ends.append(earlier[-1].window_end_ms if earlier else None)
        seen.append({**request, **(earlier[-1].values if earlier else dict.fromkeys(names))})
    columns = {
        name: as_column(kind, [one[name] for one in seen])
        for name, kind in column_types(fraud).items()
        if name in seen[0]
    }
    return scorer.score(columns), ends
