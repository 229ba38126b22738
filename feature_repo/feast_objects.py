"""Our definitions as Feast objects."""

import warnings
from collections.abc import Callable
from pathlib import Path
from types import FunctionType
from typing import Any

import feast
from feast.data_format import ParquetFormat
from feast.data_source import PushSource, RequestSource
from feast.types import Float64 as FeastFloat64

from feature_repo.feast_types import STORED_TYPES, key_type
from feature_repo.offline import EVENT_TIMESTAMP, offline_path
from feature_repo.offline_history import ensure_readable
from feature_repo.on_demand import on_demand_inputs, udf_source
from features.definitions import Definitions, load_definitions
from features.fields import FieldType
from features.fingerprint import service_fingerprint, view_fingerprint
from features.service import FeatureService
from features.view import FeatureView

FINGERPRINT_TAG = "samestream_fingerprint"

FeastObject = feast.Entity | feast.FeatureView | feast.OnDemandFeatureView | feast.FeatureService


class DeclaredOnDemandFeatureView(feast.OnDemandFeatureView):
    """An on-demand view whose schema is declared.

    Feast infers it anyway, by a call with made-up values that lack the join keys.
    """

    def infer_features(self) -> None:
        """Leave the declared schema as it is."""


def apply(store: feast.FeatureStore, module: str, offline_root: Path) -> None:
    """Register the definitions of a module, and make views without rows readable.

    Args:
        store: Feast's store.
        module: module that offers `DEFINITIONS`; readers of the store need it installed.
        offline_root: root of the offline store.
    """
    for view in load_definitions(module).views:
        ensure_readable(offline_root, view)
    with warnings.catch_warnings():
        # Feast calls every on-demand view experimental.
        warnings.filterwarnings("ignore", "On demand feature view", RuntimeWarning)
        store.apply([*feast_objects(module, offline_root)])


def feast_objects(module: str, offline_root: Path) -> list[FeastObject]:
    """Entities, views with their sources, on-demand views and services of a module."""
    definitions = load_definitions(module)
    entities = _entities(definitions)
    views = {view.name: _feast_view(view, entities, offline_root) for view in definitions.views}
    objects: list[FeastObject] = [
        *entities.values(),
        *views.values(),
    ]
    for service in definitions.services:
        on_demand = _on_demand_view(module, service, views) if service.on_demand else None
        objects += [on_demand] if on_demand else []
        objects.append(_feast_service(service, views, on_demand))
    return objects


def on_demand_view_name(service: FeatureService) -> str:
    """Name of the Feast view of a service's on-demand features."""
    return f"{service.name}_on_demand"


def _entities(definitions: Definitions) -> dict[str, feast.Entity]:
    """One entity for each join key column: Feast joins a view by the keys of its entities."""
    keys = {key.name: key for view in definitions.views for key in view.join_keys}
    return {
        name: feast.Entity(name=name, join_keys=[name], value_type=key_type(key))
        for name, key in sorted(keys.items())
    }


def _feast_view(
    view: FeatureView, entities: dict[str, feast.Entity], offline_root: Path
) -> feast.FeatureView:
    rows = feast.FileSource(
        name=f"{view.name}_rows",
        path=str(offline_path(offline_root, view)),
        file_format=ParquetFormat(),
        timestamp_field=EVENT_TIMESTAMP,
    )
    return feast.FeatureView(
        name=view.name,
        entities=[entities[key.name] for key in view.join_keys],
        schema=[
            *(_feast_field(key.name, key.type) for key in view.join_keys),
            *(_feast_field(feature.name, feature.type) for feature in view.features),
        ],
        source=PushSource(name=f"{view.name}_push", batch_source=rows),
        ttl=None,
        online=True,
        tags={FINGERPRINT_TAG: view_fingerprint(view)},
    )


def _on_demand_view(
    module: str, service: FeatureService, views: dict[str, feast.FeatureView]
) -> feast.OnDemandFeatureView:
    """Return the view of all on-demand features of a service.

    A join key that is also an input must not be named as request data: Feast would then no longer
    take it as a join key. It reaches the function because a view with that key is a source.
    """
    inputs = on_demand_inputs(service)
    keys = {key.name for view in service.views for key in view.join_keys}
    read = [
        view for view in service.views if any(feature.name in inputs for feature in view.features)
    ]
    for name in inputs:
        if name in keys and not any(name in view.entity.join_keys for view in read):
            read.append(next(view for view in service.views if name in view.entity.join_keys))
    features = {feature.name for view in read for feature in view.features}
    request = [
        feast.Field(name=name, dtype=STORED_TYPES[service.request_types[name]].feast)
        for name in inputs
        if name not in features | keys
    ]
    sources: list[Any] = [views[view.name] for view in read]
    if request:
        sources.append(RequestSource(name=f"{service.name}_request", schema=request))
    text = udf_source(module, service)
    return DeclaredOnDemandFeatureView(
        name=on_demand_view_name(service),
        schema=[feast.Field(name=item.name, dtype=FeastFloat64) for item in service.on_demand],
        sources=sources,
        udf=_compile(text),
        udf_string=text,
        mode="pandas",
        tags={FINGERPRINT_TAG: service_fingerprint(service)},
    )


def _feast_service(
    service: FeatureService,
    views: dict[str, feast.FeatureView],
    on_demand: feast.OnDemandFeatureView | None,
) -> feast.FeatureService:
    """Return the service; request fields among its features come from the entity rows."""
    wanted = set(service.features)
    projections = []
    for view in service.views:
        names = [feature.name for feature in view.features if feature.name in wanted]
        if names:
            projections.append(views[view.name][names])
    names = [feature.name for feature in service.on_demand if feature.name in wanted]
    if on_demand and names:
        projections.append(on_demand[names])
    return feast.FeatureService(
        name=service.name,
        features=projections,
        tags={FINGERPRINT_TAG: service_fingerprint(service)},
    )


def _feast_field(name: str, type_: FieldType) -> feast.Field:
    return feast.Field(name=name, dtype=STORED_TYPES[type(type_)].feast)


def _compile(source: str) -> FunctionType:
    """Make the function from its text, as Feast does when it reads the registry."""
    namespace: dict[str, Callable[..., Any]] = {}
    exec(source, namespace)  # noqa: S102 - our own text, see `udf_source`
    function = namespace["transform"]
    if not isinstance(function, FunctionType):
        msg = f"on-demand view: got {function!r}, allowed is a function"
        raise TypeError(msg)
    return function
