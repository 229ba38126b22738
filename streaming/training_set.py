"""`samestream training-set`: the features of requests in a file, as of each of them, by Feast."""

from pathlib import Path

from feature_repo.feast_objects import FINGERPRINT_TAG
from feature_repo.on_demand import ChangedDefinitionsError
from feature_repo.rendering import load_store
from features.definitions import load_definitions
from features.errors import SamestreamError
from features.fingerprint import service_fingerprint
from models.request_file import check_suffix, features_of, read_requests, write_table
from streaming.settings import Settings


class FeatureStoreError(SamestreamError, LookupError):
    """A feature store that is not there, or does not know a service."""


def write_training_set(
    settings: Settings,
    *,
    requests: Path,
    service: str,
    out: Path,
    feature_store: Path | None = None,
) -> tuple[int, int]:
    """Read requests, ask Feast for their features, write both; return rows and columns.

    Args:
        settings: the definitions, and where the state directory is.
        requests: Parquet or CSV file, see `models.request_file.read_requests`.
        service: name of the feature service.
        out: Parquet or CSV file, by its suffix; it appears whole or not at all.
        feature_store: Feast's configuration; without it that of the state directory.

    Raises:
        FeatureStoreError: There is no such configuration, or no such service in it.
        RequestFileError: The requests cannot be read or the result cannot be written.
    """
    definition = load_definitions(settings.definitions).service(service)
    check_suffix(out)
    rows = read_requests(requests, definition)
    path = feature_store or settings.feature_store_yaml
    if not path.is_file():
        msg = (
            f"feature store {path}: there is no such file; a state directory has one once "
            "`samestream up` or `samestream demo` has run on it"
        )
        raise FeatureStoreError(msg)
    store = load_store(path)
    applied = {each.name: each.tags.get(FINGERPRINT_TAG) for each in store.list_feature_services()}
    if service not in applied:
        msg = f"feature store {path}: got service {service!r}; it knows {sorted(applied)}"
        raise FeatureStoreError(msg)
    if applied[service] != (defined := service_fingerprint(definition)):
        msg = (
            f"service {service!r}: {path} has fingerprint {applied[service]}, module "
            f"{settings.definitions} now defines {defined}; apply the definitions again"
        )
        raise ChangedDefinitionsError(msg)
    frame = features_of(store, definition, rows)
    write_table(frame, out)
    return len(frame), len(frame.columns)
