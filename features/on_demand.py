"""On-demand features: computed at request time from request fields and fetched features."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import FunctionType
from typing import Any

from features.errors import DefinitionError
from features.fields import check_name


@dataclass(frozen=True, kw_only=True)
class OnDemandFeature:
    """A pure, vectorised function of request fields and fetched features; its result is float64.

    Attributes:
        inputs: names of request fields (or `event_time_ms`, the time of the request), of features
            of a view, or of other on-demand features.
        function: called with one array of shape (n,) for each input, in order: float64 with NaN
            for null (timestamps in milliseconds, bool as 0 and 1, a decimal as the nearest
            double), or object arrays of text with None for null; returns float64 of shape (n,).
            Row i may depend on row i only.
    """

    name: str
    inputs: tuple[str, ...]
    function: Callable[..., Any]

    def __post_init__(self) -> None:
        check_name("on-demand feature", self.name)
        if not self.inputs:
            msg = f"on-demand feature {self.name!r}: got no inputs; allowed is at least one"
            raise DefinitionError(msg)
        if not isinstance(self.function, FunctionType):
            msg = (
                f"on-demand feature {self.name!r}: got {self.function!r}; allowed is a function "
                "written in Python, whose text is part of the fingerprint"
            )
            raise DefinitionError(msg)


def compute_on_demand(
    features: tuple[OnDemandFeature, ...], columns: Mapping[str, Any]
) -> dict[str, Any]:
    """Compute on-demand features in order; a later one may read an earlier one.

    Args:
        features: in dependency order, as a `FeatureService` checks.
        columns: an array of shape (n,) for every input.

    Returns:
        A float64 array of shape (n,) for each feature.
    """
    known = dict(columns)
    for feature in features:
        known[feature.name] = feature.function(*(known[name] for name in feature.inputs))
    return {feature.name: known[feature.name] for feature in features}
