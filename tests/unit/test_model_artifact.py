import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from features.service import FeatureService
from models.artifact import BOOSTER_FILE, MANIFEST_FILE, read_artifact, write_artifact
from models.errors import DamagedModelError, WrongModelError
from models.golden import golden_differences
from models.loading import check_fits
from models.manifest import manifest_json, parse_manifest
from tests import tiny_model


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    write_artifact(tmp_path, tiny_model.trained())
    return tmp_path


def flip(path: Path, position: int) -> None:
    content = bytearray(path.read_bytes())
    content[position % len(content)] ^= 1
    path.write_bytes(bytes(content))


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def test_an_artifact_comes_back_as_it_was(directory: Path) -> None:
    assert read_artifact(directory) == tiny_model.trained()
    assert golden_differences(read_artifact(directory)) == 0


@pytest.mark.parametrize("damage", [lambda p: flip(p, 0), lambda p: flip(p, 5_000), truncate])
@pytest.mark.parametrize("file", [BOOSTER_FILE, MANIFEST_FILE])
def test_a_changed_byte_is_refused(
    directory: Path, file: str, damage: Callable[[Path], None]
) -> None:
    damage(directory / file)
    with pytest.raises(DamagedModelError):
        read_artifact(directory)


@pytest.mark.parametrize("file", [BOOSTER_FILE, MANIFEST_FILE])
def test_a_missing_file_is_refused(directory: Path, file: str) -> None:
    (directory / file).unlink()
    with pytest.raises(DamagedModelError, match=file):
        read_artifact(directory)


def test_a_changed_word_of_a_vocabulary_is_refused() -> None:
    text = manifest_json(tiny_model.trained().manifest)
    assert parse_manifest(text) == tiny_model.trained().manifest
    with pytest.raises(DamagedModelError, match="checksum"):
        parse_manifest(text.replace('"xx"', '"xy"'))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1}', '{"format": 2, "manifest": {}}'])
def test_what_is_no_manifest_is_refused(text: str) -> None:
    with pytest.raises(DamagedModelError, match="manifest: "):
        parse_manifest(text)


def test_another_score_of_a_golden_row_is_found() -> None:
    model = tiny_model.trained()
    bits = (model.manifest.golden_score_bits[0] ^ 1, *model.manifest.golden_score_bits[1:])
    changed = replace(model, manifest=replace(model.manifest, golden_score_bits=bits))
    assert golden_differences(changed) == 1


def test_the_checksums_are_of_what_is_stored(directory: Path) -> None:
    document = json.loads((directory / MANIFEST_FILE).read_text())
    booster = (directory / BOOSTER_FILE).read_bytes()
    assert document["manifest"]["booster_sha256"] == hashlib.sha256(booster).hexdigest()


def changed_service(**changes: Any) -> FeatureService:
    return replace(tiny_model.service, **changes)


FEATURES = tiny_model.service.features


@pytest.mark.parametrize(
    ("service", "message"),
    [
        (changed_service(name="other"), "got a model of service 'fraud'"),
        (changed_service(features=FEATURES[1:]), r"unknown to the service \['card_1h_country"),
        (changed_service(features=(*FEATURES, "card")), r"missing in the model \['card'\]"),
        (
            changed_service(features=(FEATURES[0], FEATURES[2], FEATURES[1], *FEATURES[3:])),
            "order differs from position 1 on: the model has 'amount', the service 'per_payment_2'",
        ),
        (
            changed_service(views=(replace(tiny_model.card_1h, window=tiny_model.TWO_HOURS),)),
            "got a model of the definitions",
        ),
    ],
)
def test_a_model_of_another_service_is_refused(service: FeatureService, message: str) -> None:
    check_fits(tiny_model.trained().manifest, tiny_model.service)
    with pytest.raises(WrongModelError, match=message):
        check_fits(tiny_model.trained().manifest, service)
