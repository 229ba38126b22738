"""The Feast objects of a view in words, as they are registered."""

from pathlib import Path

import feast

from feature_repo.feast_objects import feast_objects
from features.view import FeatureView

# Where a running system has the files of the offline store is its own affair.
_OFFLINE_STORE = Path("<offline store>")


def feast_text(module: str, view: FeatureView) -> str:
    """Return the Feast objects that a view of a definitions module becomes."""
    objects = feast_objects(module, _OFFLINE_STORE)
    (registered,) = (
        item for item in objects if isinstance(item, feast.FeatureView) and item.name == view.name
    )
    rows, push = registered.batch_source, registered.stream_source
    assert isinstance(rows, feast.FileSource)  # noqa: S101 - narrows the type
    assert isinstance(push, feast.PushSource)  # noqa: S101 - narrows the type
    lines = [
        *(
            (f"entity {item.name}", f"join key {item.join_key}, {item.value_type.name}")
            for item in objects
            if isinstance(item, feast.Entity) and item.name in registered.entities
        ),
        (f"view {registered.name}", f"ttl {registered.ttl or 'none'}"),
        *(
            (f"  {column.name}", str(column.dtype))
            for column in (*registered.entity_columns, *registered.features)
        ),
        (f"push source {push.name}", f"batch source {rows.name}"),
        (f"file source {rows.name}", f"{rows.path}, timestamp field {rows.timestamp_field}"),
        *((f"tag {name}", value) for name, value in sorted(registered.tags.items())),
    ]
    for service in objects:
        if isinstance(service, feast.FeatureService):
            for projection in service.feature_view_projections:
                if projection.name == registered.name:
                    names = ", ".join(item.name for item in projection.features)
                    lines.append((f"service {service.name}", f"takes {names}"))
    width = max(len(name) for name, _ in lines)
    return "\n".join(f"{name:<{width}}  {text}" for name, text in lines)
