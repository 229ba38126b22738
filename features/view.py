"""A feature view: aggregations of one source, per entity, over one sliding window."""

from dataclasses import dataclass
from functools import cached_property

from features.aggregation import Aggregation, Feature
from features.entity import Entity
from features.errors import DefinitionError
from features.fields import Field, Int64, String, TimestampMs, check_name
from features.filter import Filter
from features.naming import feature_name
from features.source import EventSource
from features.window import SlidingWindow

# What Feast takes as a join key.
_KEY_TYPES = (Int64, String, TimestampMs)


@dataclass(frozen=True, kw_only=True)
class FeatureView:
    """Aggregations over the events of one source, grouped by entity, in sliding windows."""

    name: str
    source: EventSource
    entity: Entity
    window: SlidingWindow
    aggregations: tuple[Aggregation, ...]

    def __post_init__(self) -> None:
        check_name("feature view", self.name)
        for key in self.join_keys:
            if not isinstance(key.type, _KEY_TYPES):
                msg = (
                    f"view {self.name!r}, join key {key.name!r}: got type {key.type.word}; allowed "
                    f"are {', '.join(type_.word for type_ in _KEY_TYPES)}"
                )
                raise DefinitionError(msg)
        filters: dict[str, Filter] = {}
        for aggregation in self.aggregations:
            where = aggregation.where
            if where is not None:
                where.check(self.source)
                if filters.setdefault(where.name, where) != where:
                    msg = (
                        f"view {self.name!r}: got two filters named {where.name!r}; "
                        "allowed is one condition for one name"
                    )
                    raise DefinitionError(msg)
        names = [feature.name for feature in self.features]
        if not names or len(set(names)) != len(names):
            msg = (
                f"view {self.name!r}: got the features {names!r}; "
                "allowed is at least one aggregation, each once"
            )
            raise DefinitionError(msg)

    @cached_property
    def join_keys(self) -> tuple[Field, ...]:
        """Columns of the source that name the entity, in the entity's order."""
        return tuple(self.source.column(key) for key in self.entity.join_keys)

    @cached_property
    def features(self) -> tuple[Feature, ...]:
        """Output columns, one for each aggregation, in order."""
        columns = []
        for aggregation in self.aggregations:
            type_, nullable = aggregation.result(self.source)
            name = feature_name(self.name, aggregation)
            check_name(f"view {self.name!r}, feature", name)
            columns.append(Feature(name=name, type=type_, nullable=nullable))
        return tuple(columns)

    def as_of(self, request_time_ms: int) -> int:
        """Newest window end that a request at that time may see, milliseconds."""
        return self.window.as_of(request_time_ms, self.source.lateness_ms)
