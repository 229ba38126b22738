"""A model as a directory: `model.ubj` and `manifest.json`."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from models.errors import DamagedModelError
from models.manifest import Manifest, manifest_json, parse_manifest

BOOSTER_FILE = "model.ubj"
MANIFEST_FILE = "manifest.json"


@dataclass(frozen=True, kw_only=True)
class TrainedModel:
    """A booster in XGBoost's UBJ form, and its manifest."""

    manifest: Manifest
    booster: bytes


def write_artifact(directory: Path, model: TrainedModel) -> None:
    """Write a model into an empty directory."""
    (directory / BOOSTER_FILE).write_bytes(model.booster)
    (directory / MANIFEST_FILE).write_text(manifest_json(model.manifest), encoding="utf-8")


def read_artifact(directory: Path) -> TrainedModel:
    """Read a model back, its bytes verified; the booster itself is not touched.

    Raises:
        DamagedModelError: a file is missing or is not what was written.
    """
    try:
        text = (directory / MANIFEST_FILE).read_text(encoding="utf-8")
        booster = (directory / BOOSTER_FILE).read_bytes()
    except (OSError, UnicodeDecodeError) as error:
        msg = f"model {directory}: it cannot be read ({error})"
        raise DamagedModelError(msg) from error
    manifest = parse_manifest(text)
    found = hashlib.sha256(booster).hexdigest()
    if found != manifest.booster_sha256:
        msg = (
            f"model {directory}: {BOOSTER_FILE} ({len(booster)} bytes) has sha256 {found}; "
            f"the manifest says {manifest.booster_sha256}"
        )
        raise DamagedModelError(msg)
    return TrainedModel(manifest=manifest, booster=booster)
