"""The definitions of one deployment, loaded from a module that the user names."""

import importlib
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from features.errors import DefinitionError
from features.service import FeatureService
from features.source import EventSource
from features.view import FeatureView

_T = TypeVar("_T")


@dataclass(frozen=True, kw_only=True)
class Definitions:
    """All views and services of one deployment; a module offers them as `DEFINITIONS`."""

    views: tuple[FeatureView, ...]
    services: tuple[FeatureService, ...]

    def __post_init__(self) -> None:
        _check_unique("feature view", [view.name for view in self.views])
        _check_unique("feature service", [service.name for service in self.services])
        names = [feature.name for view in self.views for feature in view.features]
        _check_unique("feature", names)
        for service in self.services:
            for view in service.views:
                if view not in self.views:
                    msg = f"service {service.name!r} reads view {view.name!r}, which is not listed"
                    raise DefinitionError(msg)
        by_name: dict[str, EventSource] = {}
        for source in self._all_sources():
            if by_name.setdefault(source.name, source) != source:
                msg = f"source {source.name!r} is defined twice with different content"
                raise DefinitionError(msg)
        key_types: dict[str, str] = {}
        for view in self.views:
            for key in view.join_keys:
                if key_types.setdefault(key.name, key.type.word) != key.type.word:
                    msg = (
                        f"view {view.name!r}: join key {key.name!r} is {key.type.word}, elsewhere "
                        f"{key_types[key.name]}; a join key has one type"
                    )
                    raise DefinitionError(msg)

    def _all_sources(self) -> list[EventSource]:
        return [
            *(view.source for view in self.views),
            *(service.request for service in self.services),
            *(service.label.source for service in self.services),
        ]

    @cached_property
    def sources(self) -> tuple[EventSource, ...]:
        """Every source that a view, a request or a label reads, by name."""
        by_name = {source.name: source for source in self._all_sources()}
        return tuple(by_name[name] for name in sorted(by_name))

    def view(self, name: str) -> FeatureView:
        """Return the feature view of that name."""
        return _find("feature view", name, {view.name: view for view in self.views})

    def service(self, name: str) -> FeatureService:
        """Return the feature service of that name."""
        return _find("feature service", name, {item.name: item for item in self.services})

    def source(self, name: str) -> EventSource:
        """Return the event source of that name."""
        return _find("event source", name, {source.name: source for source in self.sources})

    def slides_ms(self, source: EventSource) -> tuple[int, ...]:
        """Distinct slides of the views over a source, ascending, milliseconds."""
        slides = {view.window.slide_ms for view in self.views if view.source == source}
        return tuple(sorted(slides))


def load_definitions(module: str) -> Definitions:
    """Import a module and return its `DEFINITIONS`."""
    try:
        loaded = importlib.import_module(module)
    except ModuleNotFoundError as error:
        msg = f"definitions: got module {module!r}, which cannot be imported ({error})"
        raise DefinitionError(msg) from error
    definitions = getattr(loaded, "DEFINITIONS", None)
    if not isinstance(definitions, Definitions):
        msg = f"definitions: module {module!r} has no DEFINITIONS = Definitions(...)"
        raise DefinitionError(msg)
    return definitions


def _check_unique(what: str, names: list[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            msg = f"{what} {name!r} is defined twice; names are unique"
            raise DefinitionError(msg)


def _find(what: str, name: str, known: dict[str, _T]) -> _T:
    try:
        return known[name]
    except KeyError:
        msg = f"{what}: got {name!r}; allowed are {', '.join(sorted(known))}"
        raise DefinitionError(msg) from None
