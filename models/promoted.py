"""Promoted models on disk: what scoring processes read, without the registry behind it."""

from dataclasses import dataclass
from pathlib import Path


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
