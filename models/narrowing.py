"""A feature service cut down to some of its features."""

from dataclasses import replace

from features.service import FeatureService


def narrowed(service: FeatureService, features: tuple[str, ...]) -> FeatureService:
    """Return the service with these features only, and only what they are computed from.

    Args:
        service: the service to cut.
        features: in the order of the new vector.
    """
    needed = set(features)
    on_demand = []
    for feature in reversed(service.on_demand):
        if feature.name in needed:
            needed.update(feature.inputs)
            on_demand.append(feature)
    views = tuple(
        view for view in service.views if any(feature.name in needed for feature in view.features)
    )
    return replace(service, features=features, views=views, on_demand=tuple(reversed(on_demand)))
