"""The Feast configuration of a running system, with every value filled in."""

from pathlib import Path
from string import Template

import feast

PROJECT = "samestream"
_TEMPLATE = Path(__file__).with_name("feature_store.yaml")


def render_feature_store(
    path: Path, *, registry: Path, online_store: str, project: str = PROJECT
) -> None:
    """Write a `feature_store.yaml` with which plain Feast works from any directory.

    Args:
        path: file to write; its directory exists.
        registry: file of Feast's registry.
        online_store: address of Valkey or Redis, host:port.
        project: separates systems that share an online store.
    """
    text = Template(_TEMPLATE.read_text("utf-8")).substitute(
        SAMESTREAM_PROJECT=project,
        SAMESTREAM_REGISTRY=str(registry),
        SAMESTREAM_ONLINE_STORE=online_store,
    )
    temporary = path.with_name(f"{path.name}.new")
    temporary.write_text(text, "utf-8")
    temporary.replace(path)


def open_store(directory: Path, *, online_store: str, project: str = PROJECT) -> feast.FeatureStore:
    """Open Feast with a configuration and a registry of its own in a directory.

    Args:
        directory: gets `feature_store.yaml` and `registry.db`; is created if need be.
        online_store: address of Valkey or Redis, host:port.
        project: separates systems that share an online store.
    """
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "feature_store.yaml"
    render_feature_store(
        path, registry=directory / "registry.db", online_store=online_store, project=project
    )
    return load_store(path)


def load_store(path: Path) -> feast.FeatureStore:
    """Open Feast with a rendered configuration, as any Feast user does."""
    return feast.FeatureStore(fs_yaml_file=path)
