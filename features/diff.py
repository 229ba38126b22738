"""What two versions of the definitions mean differently, and what they only name differently."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from features.definitions import Definitions
from features.fingerprint import view_fingerprint
from features.meaning import (
    VECTOR,
    Meaning,
    Part,
    feature_meanings,
    on_demand_meanings,
    service_meanings,
    source_meanings,
)
from features.view import FeatureView

_NOTHING = Part(meaning=None, text="")


class Kind(Enum):
    """What happened to a definition."""

    CHANGED = "changed"
    REMOVED = "removed"
    NEW = "new"
    RENAMED = "renamed"


@dataclass(frozen=True, kw_only=True)
class PartChange:
    """One part of a definition in both versions, in words; empty where there is none."""

    name: str
    old: str
    new: str


@dataclass(frozen=True, kw_only=True)
class Change:
    """One definition in both versions, by name; None where it is not there.

    Attributes:
        parts: what differs in meaning.
    """

    old: str | None
    new: str | None
    parts: tuple[PartChange, ...] = ()

    @property
    def kind(self) -> Kind:
        """What happened; `RENAMED` is the same meaning under another name."""
        if self.old is None:
            return Kind.NEW
        if self.new is None:
            return Kind.REMOVED
        return Kind.CHANGED if self.parts else Kind.RENAMED


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Everything that differs between two versions of the definitions.

    Attributes:
        features: features of views.
        on_demand: on-demand features, as `<service>.<name>`.
        services: feature services.
        sources: event sources: which events are accepted, not what features mean.
        recomputed: views of the new version whose rows the old version does not have, because
            their name or fingerprint is another.
    """

    features: tuple[Change, ...]
    on_demand: tuple[Change, ...]
    services: tuple[Change, ...]
    sources: tuple[Change, ...]
    recomputed: tuple[FeatureView, ...]

    @property
    def changes_meaning(self) -> bool:
        """Whether something of the old version means something else, or is gone."""
        return any(
            change.kind in {Kind.CHANGED, Kind.REMOVED}
            for change in (*self.features, *self.on_demand, *self.services)
        )


def compare(old: Definitions, new: Definitions) -> Difference:
    """Compare two versions of the definitions."""
    features = _compare(feature_meanings(old), feature_meanings(new))
    old_names = _old_names_of_views(old, new, features)
    computed = {(view.name, view_fingerprint(view)) for view in old.views}
    return Difference(
        features=features,
        on_demand=_compare(on_demand_meanings(old), on_demand_meanings(new)),
        services=_compare(service_meanings(old, {}), service_meanings(new, old_names)),
        sources=_compare(source_meanings(old), source_meanings(new)),
        recomputed=tuple(
            view for view in new.views if (view.name, view_fingerprint(view)) not in computed
        ),
    )


def _old_names_of_views(
    old: Definitions, new: Definitions, features: tuple[Change, ...]
) -> dict[str, str]:
    """Return the old name of each new view that has a feature which only changed its name."""
    before = {feature.name: view.name for view in old.views for feature in view.features}
    after = {feature.name: view.name for view in new.views for feature in view.features}
    kept = {view.name for view in old.views}
    return {
        after[change.new]: before[change.old]
        for change in features
        if change.old and change.new and after[change.new] not in kept
    }


def _compare(old: list[Meaning], new: list[Meaning]) -> tuple[Change, ...]:
    before = {item.name: item for item in old}
    after = {item.name: item for item in new}
    renamed = _renamed(before, after)
    changes = []
    for name, item in after.items():
        if name not in before:
            changes.append(Change(old=renamed.get(name), new=name))
        elif before[name] != item:
            parts = _changed_parts(before[name], item)
            changes.append(Change(old=name, new=name, parts=parts))
    gone = [name for name in before if name not in after and name not in renamed.values()]
    return (*changes, *(Change(old=name, new=None) for name in gone))


def _renamed(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, str]:
    """Return the old name of each new one that means what an old one meant, which is gone."""
    gone = {name: meaning for name, meaning in old.items() if name not in new}
    renamed: dict[str, str] = {}
    for name, meaning in new.items():
        same = next((earlier for earlier in gone if gone[earlier] == meaning), None)
        if name not in old and same is not None:
            del gone[same]
            renamed[name] = same
    return renamed


def _changed_parts(old: Meaning, new: Meaning) -> tuple[PartChange, ...]:
    changes = []
    for name in dict.fromkeys((*old.parts, *new.parts)):
        before, after = old.parts.get(name, _NOTHING), new.parts.get(name, _NOTHING)
        if before == after:
            continue
        if name == VECTOR:
            changes += _changed_vector(old.vector, new.vector)
        else:
            changes.append(PartChange(name=name, old=before.text, new=after.text))
    return tuple(changes)


def _changed_vector(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[PartChange]:
    """Return what happened to the features of a service; the same meaning is the same feature."""
    renamed = _renamed(old, new)
    changed = [name for name in old if name in new and old[name] != new[name]]
    removed = [name for name in old if name not in new and name not in renamed.values()]
    added = [name for name in new if name not in old and name not in renamed]
    changes = [
        PartChange(name=what, old=", ".join(before), new=", ".join(after))
        for what, before, after in (
            ("features removed", removed, []),
            ("features added", [], added),
            ("features changed", changed, changed),
        )
        if before or after
    ]
    before_order = [name for name in old if name not in removed]
    after_order = [name for name in new if name not in added]
    for before_name, after_name in zip(before_order, after_order, strict=True):
        if before_name != renamed.get(after_name, after_name):
            changes.append(PartChange(name="order of features", old=before_name, new=after_name))
            break
    return changes
