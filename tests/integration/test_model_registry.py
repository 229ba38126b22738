"""The registry on a real MLflow database, and loading in a real child process."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.artifact import BOOSTER_FILE, TrainedModel, write_artifact
from models.booster import predict
from models.errors import DamagedModelError, UnknownModelError
from models.golden import check_golden_rows
from models.loading import load_model
from models.promoted import promoted_root, version_directory
from models.registry import ModelRegistry
from tests import tiny_model

SERVICE = tiny_model.service


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("registry")


@pytest.fixture(scope="module")
def registry(directory: Path) -> ModelRegistry:
    return ModelRegistry(directory)


def with_booster(booster: bytes) -> TrainedModel:
    """A model whose checksums are right and whose booster is not what was trained."""
    model = tiny_model.trained()
    sha256 = hashlib.sha256(booster).hexdigest()
    return TrainedModel(manifest=replace(model.manifest, booster_sha256=sha256), booster=booster)


def test_a_promoted_version_scores_as_it_was_trained(
    registry: ModelRegistry, directory: Path
) -> None:
    version = registry.register(tiny_model.trained())
    promoted = registry.promote(SERVICE.name, version)
    assert registry.champion(SERVICE.name) == version
    assert promoted.directory.is_relative_to(promoted_root(directory))

    model = load_model(promoted.directory, promoted.version, SERVICE, nthread=1)
    manifest = tiny_model.trained().manifest
    assert (model.version, model.manifest) == (version, manifest)
    scores = predict(model.booster, np.array(manifest.golden_vectors, dtype=np.float64))
    assert tuple(scores.view(np.uint32).tolist()) == manifest.golden_score_bits


def test_a_damaged_version_leaves_the_old_champion(
    registry: ModelRegistry, directory: Path
) -> None:
    good = registry.register(tiny_model.trained())
    registry.promote(SERVICE.name, good)
    booster = tiny_model.trained().booster
    bad = registry.register(with_booster(booster[: len(booster) // 2]))
    assert int(bad) == int(good) + 1
    with pytest.raises(DamagedModelError, match="XGBoost refuses it"):
        registry.promote(SERVICE.name, bad)
    assert registry.champion(SERVICE.name) == good
    versions = version_directory(promoted_root(directory), SERVICE.name, good).parent
    assert bad not in {path.name for path in versions.iterdir()}


def test_an_unknown_version_is_refused(registry: ModelRegistry) -> None:
    with pytest.raises(UnknownModelError, match="allowed are none, register one"):
        registry.promote("nobody", "1")
    with pytest.raises(UnknownModelError, match="has no champion"):
        registry.champion("nobody")


def test_other_scores_are_found_in_the_child(tmp_path: Path) -> None:
    model = tiny_model.trained()
    bits = (model.manifest.golden_score_bits[0] ^ 1, *model.manifest.golden_score_bits[1:])
    write_artifact(
        tmp_path, replace(model, manifest=replace(model.manifest, golden_score_bits=bits))
    )
    with pytest.raises(DamagedModelError, match="1 of 32 golden rows differ"):
        load_model(tmp_path, "1", SERVICE, nthread=1)


def test_a_booster_that_crashes_xgboost_only_kills_the_child(tmp_path: Path) -> None:
    booster = bytearray(tiny_model.trained().booster)
    first_child = booster.index(b"left_children[$l#L") + len("left_children[$l#L") + 8
    booster[first_child : first_child + 4] = (2**28).to_bytes(4, "big")
    write_artifact(tmp_path, with_booster(bytes(booster)))
    with pytest.raises(DamagedModelError, match="ended with exit code -11"):
        load_model(tmp_path, "1", SERVICE, nthread=1)


def test_a_child_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    write_artifact(tmp_path, tiny_model.trained())
    with pytest.raises(DamagedModelError, match=r"not scored within 0\.01 s"):
        check_golden_rows(tmp_path, seconds=0.01)


def test_a_changed_booster_is_not_even_tried(tmp_path: Path) -> None:
    write_artifact(tmp_path, tiny_model.trained())
    path = tmp_path / BOOSTER_FILE
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(DamagedModelError, match="sha256"):
        load_model(tmp_path, "1", SERVICE, nthread=1, check_seconds=0.01)
