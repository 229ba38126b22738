"""Loading a model for use: verified, made for the running service, and tried out elsewhere."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from features.fingerprint import service_fingerprint
from features.service import FeatureService
from models.artifact import read_artifact
from models.booster import CATEGORY, QUANTITY, load_booster
from models.errors import WrongModelError
from models.golden import CHECK_SECONDS, check_golden_rows
from models.manifest import Manifest


@dataclass(frozen=True, kw_only=True)
class Model:
    """A model ready to score.

    Attributes:
        version: its version in the registry.
        manifest: what belongs to the booster.
        booster: loaded, for `models.booster.predict`.
    """

    version: str
    manifest: Manifest
    booster: Any


def load_model(
    directory: Path,
    version: str,
    service: FeatureService,
    *,
    nthread: int,
    check_seconds: float = CHECK_SECONDS,
) -> Model:
    """Load a version of a model for a service.

    Args:
        directory: where the registry put the version.
        version: as predictions will name it.
        service: the running definitions.
        nthread: threads that scoring may use.
        check_seconds: how long scoring the golden rows in a child process may take.

    Raises:
        DamagedModelError: the files are not what was registered, or other scores come out.
        WrongModelError: the model was made for other features.
    """
    model = read_artifact(directory)
    check_fits(model.manifest, service)
    check_golden_rows(directory, seconds=check_seconds)
    booster = load_booster(model.booster, nthread=nthread)
    return Model(version=version, manifest=model.manifest, booster=booster)


def check_fits(manifest: Manifest, service: FeatureService) -> None:
    """Refuse a model whose service, features, their order, types or definitions are others."""
    who = f"service {service.name!r}"
    if manifest.service != service.name:
        msg = f"{who}: got a model of service {manifest.service!r}"
        raise WrongModelError(msg)
    if manifest.features != service.features:
        msg = f"{who}: got a model of other features: {_difference(manifest, service)}"
        raise WrongModelError(msg)
    for name, found in zip(manifest.features, manifest.feature_types, strict=True):
        expected = CATEGORY if name in service.categories else QUANTITY
        if found != expected:
            msg = f"{who}: got a model with {name!r} as type {found!r}; expected is {expected!r}"
            raise WrongModelError(msg)
    fingerprint = service_fingerprint(service)
    if manifest.service_fingerprint != fingerprint:
        msg = (
            f"{who}: got a model of the definitions {manifest.service_fingerprint}; running are "
            f"{fingerprint}; train a new one"
        )
        raise WrongModelError(msg)


def _difference(manifest: Manifest, service: FeatureService) -> str:
    theirs, ours = manifest.features, service.features
    missing = [name for name in ours if name not in theirs]
    unknown = [name for name in theirs if name not in ours]
    if missing or unknown:
        return f"missing in the model {missing}, unknown to the service {unknown}"
    position = next(i for i, pair in enumerate(zip(theirs, ours, strict=True)) if len({*pair}) > 1)
    return (
        f"the order differs from position {position} on: the model has {theirs[position]!r}, "
        f"the service {ours[position]!r}"
    )
