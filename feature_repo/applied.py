"""A feature store to which the definitions of a service are applied."""

from pathlib import Path

import feast

from feature_repo.feast_objects import FINGERPRINT_TAG
from feature_repo.offline import complete_until_ms, history_horizon_ms
from feature_repo.on_demand import ChangedDefinitionsError
from feature_repo.rendering import load_store
from features.errors import SamestreamError
from features.fingerprint import service_fingerprint
from features.service import FeatureService
from features.view import FeatureView


class FeatureStoreError(SamestreamError, LookupError):
    """A feature store that is not there, or does not know a service."""


def applied_store(path: Path, module: str, service: FeatureService) -> feast.FeatureStore:
    """Open Feast where the definition of a service is the one that was applied.

    Args:
        path: Feast's configuration.
        module: that offers the definition, for messages.
        service: the definition.

    Raises:
        FeatureStoreError: There is no such configuration, or no such service in it.
        ChangedDefinitionsError: Another definition was applied.
    """
    if not path.is_file():
        msg = (
            f"feature store {path}: there is no such file; a state directory has one once "
            "`samestream up` or `samestream demo` has run on it"
        )
        raise FeatureStoreError(msg)
    store = load_store(path)
    applied = {each.name: each.tags.get(FINGERPRINT_TAG) for each in store.list_feature_services()}
    if service.name not in applied:
        msg = f"feature store {path}: got service {service.name!r}; it knows {sorted(applied)}"
        raise FeatureStoreError(msg)
    if applied[service.name] != (defined := service_fingerprint(service)):
        msg = (
            f"service {service.name!r}: {path} has fingerprint {applied[service.name]}, module "
            f"{module} now defines {defined}; apply the definitions again"
        )
        raise ChangedDefinitionsError(msg)
    return store


def rows_complete_until_ms(
    store: feast.FeatureStore, service: FeatureService
) -> dict[str, int | None]:
    """Newest window end of each view, by name, up to which its offline rows are all there."""
    return {
        view.name: complete_until_ms(_offline_root(store, view), view) for view in service.views
    }


def history_horizons_ms(
    store: feast.FeatureStore, service: FeatureService
) -> dict[str, int | None]:
    """Newest window end of each view, by name, that the last backfill of its offline rows wrote."""
    return {
        view.name: history_horizon_ms(_offline_root(store, view), view) for view in service.views
    }


def _offline_root(store: feast.FeatureStore, view: FeatureView) -> Path:
    source = store.get_feature_view(view.name).batch_source
    assert isinstance(source, feast.FileSource)  # noqa: S101 - narrows the type
    return Path(source.path).parent
