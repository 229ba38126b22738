"""What definitions mean, part by part, for a comparison of two versions.

Two features mean the same if source name, lateness, join keys, window, aggregation, column types
and the condition of the filter are the same. The names of the view, of the entity and of the filter
are only names. An on-demand feature means its code and what its inputs mean; a service means its
vector: what each of its features means, in order.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from features.aggregation import Aggregation, Feature
from features.definitions import Definitions
from features.fields import Field
from features.fingerprint import (
    aggregation_content,
    content_of,
    on_demand_code,
    type_content,
    view_content,
)
from features.service import FeatureService
from features.source import EVENT_TIME_MS, EventSource
from features.view import FeatureView
from features.wording import (
    aggregation_text,
    condition_text,
    duration_text,
    field_text,
    type_text,
    window_text,
)

VECTOR = "features"


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part of a definition; only what it means is compared, not how it is put into words."""

    meaning: Any
    text: str = field(compare=False)


@dataclass(frozen=True, kw_only=True)
class Meaning:
    """A definition as named parts; only these are compared, not the name.

    Attributes:
        name: name of the definition, unique among those of its kind.
        parts: by name, in the order in which people read them.
        vector: of a service what each of its features means, by name, in order.
    """

    name: str = field(compare=False)
    parts: Mapping[str, Part]
    vector: Mapping[str, Any] = field(default_factory=dict, compare=False)


def feature_meanings(definitions: Definitions) -> list[Meaning]:
    """Every feature of every view."""
    return [
        Meaning(name=feature.name, parts=_feature_parts(view, aggregation, feature))
        for view in definitions.views
        for aggregation, feature in zip(view.aggregations, view.features, strict=True)
    ]


def on_demand_meanings(definitions: Definitions) -> list[Meaning]:
    """Every on-demand feature, by `<service>.<name>`."""
    found = []
    for service in definitions.services:
        known = _known(service)
        for feature in service.on_demand:
            code = on_demand_code(feature)
            inputs = [known[name] for name in feature.inputs]
            parts = {
                "code": Part(meaning=code, text=code),
                "inputs": Part(meaning=inputs, text=", ".join(feature.inputs)),
            }
            found.append(Meaning(name=f"{service.name}.{feature.name}", parts=parts))
    return found


def service_meanings(definitions: Definitions, views: Mapping[str, str]) -> list[Meaning]:
    """Every feature service.

    Args:
        definitions: where they are.
        views: names by which views go here, if they are not their own.
    """
    found = []
    for service in definitions.services:
        known = _known(service)
        vector = {name: known[name] for name in service.features}
        read = sorted(views.get(view.name, view.name) for view in service.views)
        label = f"{service.label.source.name}.{service.label.column}"
        parts = {
            "requests": Part(meaning=service.request.name, text=service.request.name),
            "label": Part(meaning=label, text=label),
            "views": Part(meaning=read, text=", ".join(read)),
            VECTOR: Part(meaning=list(vector.values()), text=", ".join(vector)),
        }
        found.append(Meaning(name=service.name, parts=parts, vector=vector))
    return found


def source_meanings(definitions: Definitions) -> list[Meaning]:
    """Every event source: its log and which events are accepted there."""
    return [_source_meaning(source) for source in definitions.sources]


def _feature_parts(
    view: FeatureView, aggregation: Aggregation, feature: Feature
) -> dict[str, Part]:
    content = view_content(view)
    columns = [view.source.column(name) for name in aggregation.columns()]
    unfiltered = dataclasses.replace(aggregation, where=None)
    condition = aggregation.where and aggregation.where.condition
    window = [content.pop("size_ms"), content.pop("slide_ms")]
    return {
        "source": Part(meaning=content.pop("source"), text=view.source.name),
        "lateness": Part(
            meaning=content.pop("lateness_ms"), text=duration_text(view.source.lateness)
        ),
        "join keys": Part(meaning=content.pop("join_keys"), text=_typed(view.join_keys)),
        "window": Part(meaning=window, text=window_text(view.window)),
        "aggregation": Part(
            meaning=aggregation_content(unfiltered), text=aggregation_text(aggregation)
        ),
        "filter": Part(
            meaning=condition and content_of(condition),
            text=condition_text(condition) if condition else "",
        ),
        "column types": Part(
            meaning=[type_content(column.type) for column in columns], text=_typed(tuple(columns))
        ),
        "type": Part(meaning=type_content(feature.type), text=type_text(feature.type)),
        # Whatever else determines the rows of a view.
        **{name: Part(meaning=rest, text=str(rest)) for name, rest in content.items()},
    }


def _typed(columns: tuple[Field, ...]) -> str:
    return ", ".join(f"{column.name} {type_text(column.type)}" for column in columns)


def _known(service: FeatureService) -> dict[str, Any]:
    """What every name means that a feature of a service can be made of."""
    known: dict[str, Any] = {EVENT_TIME_MS: ["request", EVENT_TIME_MS]}
    for column in service.request.fields:
        known[column.name] = ["request", service.request.name, column.name]
        known[column.name] += type_content(column.type)
    for view in service.views:
        for aggregation, feature in zip(view.aggregations, view.features, strict=True):
            parts = _feature_parts(view, aggregation, feature)
            known[feature.name] = ["view", {name: part.meaning for name, part in parts.items()}]
    for on_demand in service.on_demand:
        inputs = [known[name] for name in on_demand.inputs]
        known[on_demand.name] = ["on-demand", on_demand_code(on_demand), inputs]
    return known


def _source_meaning(source: EventSource) -> Meaning:
    parts = {
        "log": Part(meaning=source.name, text=source.name),
        "lateness": Part(meaning=source.lateness_ms, text=duration_text(source.lateness)),
        "clock skew": Part(
            meaning=source.max_clock_skew_ms, text=duration_text(source.max_clock_skew)
        ),
        "earliest": Part(meaning=source.earliest_ms, text=f"{source.earliest:%Y-%m-%d %H:%M:%S%z}"),
        "encoding": Part(meaning=source.encoding, text=source.encoding),
        "largest event": Part(
            meaning=source.max_event_bytes, text=f"{source.max_event_bytes:,} bytes"
        ),
    }
    for column in source.fields:
        parts[f"field {column.name}"] = Part(meaning=content_of(column), text=field_text(column))
    return Meaning(name=source.name, parts=parts)
