"""`samestream training-set`: the features of requests in a file, as of each of them, by Feast."""

from pathlib import Path

from feature_repo.applied import applied_store
from features.definitions import load_definitions
from models.request_file import check_suffix, features_of, read_requests, write_table
from streaming.settings import Settings


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
    store = applied_store(path, settings.definitions, definition)
    frame = features_of(store, definition, rows)
    write_table(frame, out)
    return len(frame), len(frame.columns)
