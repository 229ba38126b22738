"""The training step of the demonstration, a process of its own so that its memory is returned.

`python -m streaming.demo.training RESULT TEST_FROM_MS`: settings come from the environment.
"""

import json
import sys
from dataclasses import asdict
from pathlib import Path

from feature_repo.rendering import load_store
from features.definitions import load_definitions
from features.examples.flights.definitions import BATCH_FEATURES, ON_DEMAND_FEATURES
from features.service import FeatureService
from models.booster import ROUNDS
from models.dataset import entity_rows, training_set
from models.narrowing import narrowed
from models.registry import ModelRegistry
from models.train import train
from streaming.kafka.event_log import read_events
from streaming.scoring.promotion import promote
from streaming.settings import Settings

# The live job needs the other core meanwhile.
_NTHREAD = 1


def feature_sets(service: FeatureService) -> dict[str, tuple[str, ...]]:
    """Features of each model that is compared; the last one is the service itself."""
    return {
        "on-demand only": ON_DEMAND_FEATURES,
        "+ batch": ON_DEMAND_FEATURES + BATCH_FEATURES,
        "all": service.features,
    }


def main(result: Path, test_from_ms: int) -> None:
    """Train on everything in the log, register and promote the full model, write the figures."""
    settings = Settings()
    service = load_definitions(settings.definitions).service("departure_delay")
    store = load_store(settings.feature_store_yaml)
    requests = read_events(settings.kafka, service.request)
    outcomes = read_events(settings.kafka, service.label.source)
    frame = training_set(store, service, entity_rows(service, requests, outcomes))
    sets = feature_sets(service)
    models = {
        name: train(
            service if features == service.features else narrowed(service, features),
            frame,
            split_ms=test_from_ms,
            nthread=_NTHREAD,
        )
        for name, features in sets.items()
    }
    registry = ModelRegistry(settings.state_dir / "registry")
    version = registry.register(models["all"])
    promoted = registry.promote(service.name, version)
    promote(
        settings.kafka,
        service,
        model_name=promoted.service,
        model_version=promoted.version,
        model_sha256=promoted.sha256,
        model_dir=promoted.directory,
    )
    manifest = models["all"].manifest
    figures = {
        "training_rows": int((frame["event_time_ms"] < test_from_ms).sum()),
        "test_rows": int((frame["event_time_ms"] >= test_from_ms).sum()),
        "rounds": ROUNDS,
        "version": version,
        "sha256": manifest.booster_sha256,
        "sets": {
            name: {"features": len(sets[name]), **asdict(model.manifest.metrics)}
            for name, model in models.items()
        },
    }
    result.write_text(json.dumps(figures), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
