"""A feature service: the ordered features of one model."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import cached_property

from features.errors import DefinitionError
from features.fields import Bool, Field, String, TimestampMs, check_name
from features.on_demand import OnDemandFeature
from features.source import EVENT_TIME_MS, EventSource
from features.view import FeatureView


@dataclass(frozen=True, kw_only=True)
class Label:
    """What a model learns: a column of the outcome event with the same `event_id`."""

    source: EventSource
    column: str

    def __post_init__(self) -> None:
        field = self.source.column(self.column)
        if not isinstance(field.type, Bool):
            msg = (
                f"label {self.source.name}.{self.column}: got type {field.type.word}; "
                "allowed is bool"
            )
            raise DefinitionError(msg)


class StorePolicy(StrEnum):
    """What a service does while the online store does not answer."""

    WAIT = "wait"
    DEGRADE = "degrade"


@dataclass(frozen=True, kw_only=True)
class FeatureService:
    """The ordered features that one model reads for a request.

    Attributes:
        request: source whose events are the requests; its fields are the request fields.
        views: feature views that are fetched for a request.
        on_demand: computed at request time, in dependency order.
        features: names of the model's inputs, in the order of the vector: features of the views,
            on-demand features or request fields. A text feature is a category.
        label: what the model learns.
        store_policy: while the online store does not answer, `wait` for it (a stream then lags), or
            `degrade`: score with nulls and mark the predictions DEGRADED.
        max_staleness: how far a view may be behind what a request may see before the request is
            refused; without it, requests are scored with what is there and marked STALE.
        max_precomputed_age: how long before a request the time of a precomputed prediction may be
            for the endpoint to answer with it; without it, each one is computed when it is asked.
    """

    name: str
    request: EventSource
    views: tuple[FeatureView, ...]
    on_demand: tuple[OnDemandFeature, ...]
    features: tuple[str, ...]
    label: Label
    store_policy: StorePolicy = StorePolicy.WAIT
    max_staleness: timedelta | None = None
    max_precomputed_age: timedelta | None = None

    def __post_init__(self) -> None:
        check_name("feature service", self.name)
        self._check_policies()
        for view in self.views:
            for key in view.join_keys:
                self._check_join_key(view, key)
        known: set[str] = set()
        for group, names in (
            ("request field", [field.name for field in self.request.fields]),
            ("feature", [feature.name for view in self.views for feature in view.features]),
        ):
            for name in names:
                if name in known:
                    msg = (
                        f"service {self.name!r}: {group} {name!r} is there twice; names are unique"
                    )
                    raise DefinitionError(msg)
                known.add(name)
        self._check_order()
        for on_demand in self.on_demand:
            self._check_known(on_demand.inputs, known | {EVENT_TIME_MS}, on_demand.name)
            if on_demand.name in known:
                msg = f"service {self.name!r}: {on_demand.name!r} is there twice; allowed is once"
                raise DefinitionError(msg)
            known.add(on_demand.name)
        self._check_known(self.features, known, "features")
        if not self.features or len(set(self.features)) != len(self.features):
            msg = f"service {self.name!r}: features must be at least one, each once"
            raise DefinitionError(msg)

    def _check_policies(self) -> None:
        if not isinstance(self.store_policy, StorePolicy):
            msg = (
                f"service {self.name!r}, store_policy: got {self.store_policy!r}; allowed are "
                "StorePolicy.WAIT and StorePolicy.DEGRADE"
            )
            raise DefinitionError(msg)
        for name in ("max_staleness", "max_precomputed_age"):
            limit: timedelta | None = getattr(self, name)
            if limit is not None and limit < timedelta(0):
                msg = f"service {self.name!r}, {name}: got {limit}; allowed is zero or more"
                raise DefinitionError(msg)

    def _check_order(self) -> None:
        """Refuse on-demand features that read one another in a circle, or one that comes later."""
        inputs = {feature.name: feature.inputs for feature in self.on_demand}
        earlier: set[str] = set()
        for name, read in inputs.items():
            for later in (each for each in read if each in inputs and each not in earlier):
                cycle = _way(inputs, later, name)
                found = f"the cycle {' -> '.join([name, *cycle])}" if cycle else f"{later!r}"
                msg = (
                    f"service {self.name!r}, on-demand feature {name!r}: got {found}; allowed is "
                    "to read on-demand features that are listed before it"
                )
                raise DefinitionError(msg)
            earlier.add(name)

    def _check_join_key(self, view: FeatureView, key: Field) -> None:
        field = self.request.column(key.name)
        if field.type.word != key.type.word:
            msg = (
                f"service {self.name!r}, view {view.name!r}: join key {key.name!r} is "
                f"{key.type.word}, the request field is {field.type.word}; the types must agree"
            )
            raise DefinitionError(msg)

    def _check_known(self, names: tuple[str, ...], known: set[str], where: str) -> None:
        for name in names:
            if name not in known:
                msg = (
                    f"service {self.name!r}, {where}: got {name!r}; allowed are request fields, "
                    f"features of its views and earlier on-demand features: {sorted(known)}"
                )
                raise DefinitionError(msg)

    @cached_property
    def request_inputs(self) -> tuple[str, ...]:
        """Names of the request fields that the features depend on, in the order of the source."""
        read = set(self.features).union(
            *(feature.inputs for feature in self.on_demand),
            *(view.entity.join_keys for view in self.views),
        )
        return tuple(field.name for field in self.request.fields if field.name in read)

    @cached_property
    def categories(self) -> tuple[str, ...]:
        """Names of the features that are text, in the order of the vector."""
        text = {field.name for field in self.request.fields if isinstance(field.type, String)}
        text |= {
            feature.name
            for view in self.views
            for feature in view.features
            if isinstance(feature.type, String)
        }
        return tuple(name for name in self.features if name in text)

    def views_behind(self, name: str) -> frozenset[str]:
        """Names of the views whose values a feature depends on; none for a request field."""
        for view in self.views:
            if any(feature.name == name for feature in view.features):
                return frozenset({view.name})
        for on_demand in self.on_demand:
            if on_demand.name == name:
                return frozenset().union(*map(self.views_behind, on_demand.inputs))
        return frozenset()

    @cached_property
    def request_types(self) -> dict[str, type]:
        """Type class of every request field, `event_time_ms` included."""
        types: dict[str, type] = {field.name: type(field.type) for field in self.request.fields}
        return {EVENT_TIME_MS: TimestampMs, **types}


def _way(inputs: Mapping[str, tuple[str, ...]], start: str, end: str) -> list[str]:
    """Return the names on a way along the inputs, both ends included; empty if there is none."""
    ways = [[start]]
    seen = {start}
    while ways:
        way = ways.pop(0)
        if way[-1] == end:
            return way
        following = [name for name in inputs.get(way[-1], ()) if name not in seen]
        seen.update(following)
        ways += [[*way, name] for name in following]
    return []
