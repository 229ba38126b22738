"""Promoted models on disk: what scoring processes read, without the registry behind it."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from models.errors import DamagedModelError, UnknownModelError

_POINTER = "champion.json"


@dataclass(frozen=True, kw_only=True)
class PromotedModel:
    """One promoted version of the model of a service.

    Attributes:
        service: name of the service, which is the name of the model too.
        version: in the registry.
        sha256: of the booster's bytes.
        directory: where `load_model` finds it.
    """

    service: str
    version: str
    sha256: str
    directory: Path


def promoted_root(registry: Path) -> Path:
    """Where the promoted models are in the directory of a registry."""
    return registry / "promoted"


def version_directory(root: Path, service: str, version: str) -> Path:
    """Directory of one promoted version.

    Args:
        root: of all promoted models.
        service: name of the service.
        version: in the registry.
    """
    return root / service / version


def write_champion(root: Path, promoted: PromotedModel) -> None:
    """Name the champion of a service, in one atomic step."""
    pointer = root / promoted.service / _POINTER
    fresh = pointer.with_suffix(f".{os.getpid()}.new")
    fresh.write_text(
        json.dumps({"version": promoted.version, "sha256": promoted.sha256}), encoding="utf-8"
    )
    fresh.replace(pointer)


def read_champion(root: Path, service: str) -> PromotedModel:
    """Tell which version is the champion of a service.

    Raises:
        UnknownModelError: none was promoted yet.
        DamagedModelError: the pointer does not parse.
    """
    pointer = root / service / _POINTER
    try:
        content = json.loads(pointer.read_text(encoding="utf-8"))
        version, sha256 = content["version"], content["sha256"]
    except FileNotFoundError as error:
        msg = f"service {service!r}: no model was promoted yet ({pointer} does not exist)"
        raise UnknownModelError(msg) from error
    except (ValueError, KeyError, TypeError) as error:
        msg = f"{pointer}: it does not parse ({type(error).__name__}: {error})"
        raise DamagedModelError(msg) from error
    return PromotedModel(
        service=service,
        version=version,
        sha256=sha256,
        directory=version_directory(root, service, version),
    )
