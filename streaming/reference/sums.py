"""Exact sums over the values that requests fetched."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from features.aggregation import Count, Mean, Sum
from features.errors import SamestreamError
from features.view import FeatureView

_MEANING = {
    "dep_delay": "sum_of_delays",
    "arr_delay": "sum_of_delays",
    "late": "sum_of_late",
}
# mean = s/n (1 + a) and mean * n = s (1 + a)(1 + b) with |a|, |b| <= 2**-53, so their product is
# off by less than |s| * 2**-51: below this bound rounding it gives the sum s itself.
_EXACT_BELOW = 2.0**49

Floats = npt.NDArray[np.float64]


class InexactSumError(SamestreamError, ArithmeticError):
    """A sum that is too large to be recovered from its mean."""


class ViewSums:
    """Sums over the fetched values of a view, of as many requests as it is given.

    Args:
        view: the view whose windows are summed.
        sum_views: views of the same windows, with the sums that it lacks.
    """

    def __init__(self, view: FeatureView, sum_views: Iterable[FeatureView] = ()) -> None:
        self._summed: list[tuple[str, str, bool]] = []
        for each in (view, *sum_views):
            for feature, aggregation in zip(each.features, each.aggregations, strict=True):
                if isinstance(aggregation, Count):
                    self._count = feature.name
                elif isinstance(aggregation, Mean | Sum):
                    what = _MEANING[aggregation.column]
                    self._summed.append((feature.name, what, isinstance(aggregation, Mean)))
        self.figures: dict[str, int | None] = {
            "sum_of_counts": 0,
            "empty": 0,
            "sum_of_delays": None,
            "sum_of_late": None,
        }
        """The sums by name; None where the view has no such column."""

    def add(self, frame: Any) -> None:  # noqa: ANN401 - a pandas DataFrame
        """Add requests with their features; an entity that was never seen has an empty window."""
        counts = _values(frame, self._count)
        self._add("sum_of_counts", int(counts.sum()))
        self._add("empty", int((counts == 0.0).sum()))
        for name, what, is_mean in self._summed:
            values = _values(frame, name)
            self._add(what, int((window_sums(values, counts) if is_mean else values).sum()))

    def _add(self, what: str, number: int) -> None:
        self.figures[what] = (self.figures[what] or 0) + number


def window_sums(means: Floats, counts: Floats) -> npt.NDArray[np.int64]:
    """Recover the exact integer sums behind means of columns without nulls.

    Raises:
        InexactSumError: A sum is so large that rounding could give its neighbour.
    """
    products = means * counts
    if (np.abs(products) >= _EXACT_BELOW).any():
        msg = f"window sums: got {np.abs(products).max()}; allowed is less than {_EXACT_BELOW}"
        raise InexactSumError(msg)
    sums: npt.NDArray[np.int64] = np.rint(products).astype(np.int64)
    return sums


def _values(frame: Any, name: str) -> Floats:  # noqa: ANN401
    """Values of a column as float64, null as 0; integers below 2**53 stay exact."""
    values: Floats = np.nan_to_num(frame[name].to_numpy(dtype=np.float64, na_value=np.nan))
    return values
