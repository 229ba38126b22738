"""Feast as it comes: its own Redis store, written and read by its own calls."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import feast
import numpy as np
import pandas as pd

from feature_repo.feast_objects import apply
from feature_repo.reader import AsOfRequest
from feature_repo.ring import AsOfRows
from features.service import FeatureService
from features.view import FeatureView

_MODULE = "streaming.bench.scoring_load"


def open_stock(directory: Path, online_store: str) -> feast.FeatureStore:
    """Open Feast with its own Redis store and the definitions of the benchmark."""
    directory.mkdir(parents=True, exist_ok=True)
    store = feast.FeatureStore(
        config=feast.RepoConfig(
            project="stock",
            provider="local",
            registry=str(directory / "registry.db"),
            offline_store={"type": "duckdb"},
            online_store={"type": "redis", "connection_string": online_store},
            entity_key_serialization_version=3,
        )
    )
    apply(store, _MODULE, directory / "offline")
    return store


def write_stock(store: feast.FeatureStore, view: FeatureView, rows: pd.DataFrame) -> None:
    """Write rows by Feast's call; it wants the time of each in `event_timestamp`."""
    store.write_to_online_store(view.name, df=rows)


class StockReader:
    """Reads as a user of Feast does; there is no progress and no instant, only the newest row."""

    def __init__(self, store: feast.FeatureStore, service: FeatureService) -> None:
        self._store = store
        self._features = store.get_feature_service(service.name)

    def complete(self) -> dict[str, int | None]:
        """Feast does not know; so nothing is waited for."""
        return {}

    def read_complete(
        self, requests: Sequence[AsOfRequest]
    ) -> tuple[dict[str, int | None], list[AsOfRows]]:
        """Ask Feast for all features of the entities."""
        entities: dict[str, list[Any]] = {}
        for request in requests:
            for at, name in enumerate(request.view.entity.join_keys):
                entities[name] = [keys[at] for keys in request.keys]
        answer = self._store.get_online_features(self._features, entities).to_dict()
        n = len(requests[0].keys)
        rows = [
            AsOfRows(
                columns={
                    feature.name: np.array(answer[feature.name], dtype=np.float64)
                    for feature in request.view.features
                },
                window_end_ms=request.as_of_ms,
                found=np.ones(n, dtype=bool),
                ahead=np.zeros(n, dtype=bool),
            )
            for request in requests
        ]
        newest = {request.view.name: int(request.as_of_ms.max()) for request in requests}
        return dict(newest), rows
