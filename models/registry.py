"""The registry: MLflow keeps the versions of a model and says which one is the champion."""

import shutil
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from models.artifact import TrainedModel, read_artifact, write_artifact
from models.errors import DamagedModelError, UnknownModelError
from models.golden import check_golden_rows
from models.mlflow_client import open_client
from models.promoted import PromotedModel, promoted_root, version_directory

CHAMPION = "champion"

_ARTIFACT = "model"
_SHA256 = "sha256"


class ModelRegistry:
    """Registers and promotes models; a model has the name of its service.

    Scoring processes do not need it: `promote` puts what they read on disk.
    """

    def __init__(self, directory: Path, tracking_uri: str | None = None) -> None:
        """Open the registry; takes seconds, and more when it creates the database.

        Args:
            directory: keeps the promoted models and, without a server, the database and the
                artifacts of MLflow.
            tracking_uri: of an MLflow server; None is a SQLite database in the directory.
        """
        directory = directory.resolve()
        self._promoted = promoted_root(directory)
        self._promoted.mkdir(parents=True, exist_ok=True)
        self._artifacts: str | None = None
        if tracking_uri is None:
            tracking_uri = f"sqlite:///{directory / 'mlflow.db'}"
            self._artifacts = (directory / "artifacts").as_uri()
        self._client = open_client(tracking_uri)

    def register(self, model: TrainedModel) -> str:
        """Keep a model as the next version of its service and return the version."""
        manifest = model.manifest
        run = self._client.create_run(self._experiment(manifest.service))
        run_id = run.info.run_id
        for name, value in manifest.parameters.items():
            self._client.log_param(run_id, name, value)
        for name, value in asdict(manifest.metrics).items():
            self._client.log_metric(run_id, name, value)
        with tempfile.TemporaryDirectory() as staging:
            write_artifact(Path(staging), model)
            self._client.log_artifacts(run_id, staging, _ARTIFACT)
        self._client.set_terminated(run_id)
        if self._registered(manifest.service) is None:
            self._client.create_registered_model(manifest.service)
        registered = self._client.create_model_version(
            manifest.service,
            source=f"{run.info.artifact_uri}/{_ARTIFACT}",
            run_id=run_id,
            tags={
                _SHA256: manifest.booster_sha256,
                "service_fingerprint": manifest.service_fingerprint,
                "trained_from_ms": str(manifest.trained_from_ms),
                "trained_until_ms": str(manifest.trained_until_ms),
            },
        )
        return str(registered.version)

    def promote(self, service: str, version: str) -> PromotedModel:
        """Make a version the champion: fetch it, verify it, then name it.

        Anything wrong leaves the old champion in place.

        Raises:
            UnknownModelError: there is no such version.
            DamagedModelError: the version is not what was registered.
        """
        found = self._version(service, version)
        target = version_directory(self._promoted, service, version)
        target.parent.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as staging:
            fetched = Path(self._client.download_artifacts(found.run_id, _ARTIFACT, staging))
            manifest = read_artifact(fetched).manifest
            if manifest.booster_sha256 != found.tags[_SHA256]:
                msg = (
                    f"model {service!r}, version {version}: its files have sha256 "
                    f"{manifest.booster_sha256}; registered was {found.tags[_SHA256]}"
                )
                raise DamagedModelError(msg)
            check_golden_rows(fetched)
            if target.exists():
                shutil.rmtree(target)
            fetched.rename(target)
        promoted = PromotedModel(
            service=service, version=version, sha256=manifest.booster_sha256, directory=target
        )
        self._client.set_registered_model_alias(service, CHAMPION, version)
        return promoted

    def champion(self, service: str) -> str:
        """Version that the alias `champion` names."""
        registered = self._registered(service)
        if registered is None or CHAMPION not in registered.aliases:
            msg = f"registry: model {service!r} has no champion; promote a version"
            raise UnknownModelError(msg)
        return str(registered.aliases[CHAMPION])

    def _experiment(self, service: str) -> str:
        existing = self._client.get_experiment_by_name(service)
        if existing is not None:
            return str(existing.experiment_id)
        return str(self._client.create_experiment(service, artifact_location=self._artifacts))

    def _registered(self, service: str) -> Any:  # noqa: ANN401
        found = self._client.search_registered_models(filter_string=f"name = '{service}'")
        return found[0] if found else None

    def _version(self, service: str, version: str) -> Any:  # noqa: ANN401
        found = self._client.search_model_versions(filter_string=f"name = '{service}'")
        by_version = {str(item.version): item for item in found}
        if version not in by_version:
            msg = (
                f"registry: got version {version!r} of model {service!r}; "
                f"allowed are {sorted(by_version, key=int) or 'none, register one'}"
            )
            raise UnknownModelError(msg)
        return by_version[version]
