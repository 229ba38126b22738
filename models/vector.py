"""Vectors: the one way from columns to the numbers that a model sees."""

from collections.abc import Mapping, Set
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from features.on_demand import OnDemandFeature, compute_on_demand
from features.service import FeatureService
from models.errors import VectorError

Matrix = npt.NDArray[np.float64]
Vocabularies = Mapping[str, tuple[str, ...]]

_SHOWN = 5


class FeatureVectorizer:
    """Builds vectors by name, for training, serving and replay alike.

    A category becomes its position in the vocabulary; text that is not in it becomes NaN, like
    null. XGBoost computes in float32, so a value that is infinite there is refused too.
    """

    def __init__(self, service: FeatureService, vocabularies: Vocabularies) -> None:
        if set(vocabularies) != set(service.categories):
            msg = (
                f"service {service.name!r}: got vocabularies of {sorted(vocabularies)}; "
                f"its categories are {sorted(service.categories)}"
            )
            raise VectorError(msg)
        self._service = service
        self._codes: dict[str, dict[str | None, float]] = {
            name: {word: float(code) for code, word in enumerate(vocabulary)}
            for name, vocabulary in vocabularies.items()
        }

    @cached_property
    def inputs(self) -> tuple[str, ...]:
        """Names of the columns that the vectors are made of."""
        return self._resolve(frozenset())[0]

    def vectors(self, columns: Mapping[str, Any]) -> Matrix:
        """Build the vectors of n requests.

        On-demand features are computed, unless their column is there already: Feast has computed
        them, by the same functions, in a training set.

        Args:
            columns: an array of shape (n,) for each of `inputs`: float64 with NaN for null, or
                objects with None for null when it is text; others are ignored.

        Returns:
            float64 of shape (n, features), in the order of the service; NaN for null.

        Raises:
            VectorError: a column is missing or has another length, or a value is infinite.
        """
        matrix = self.unchecked_vectors(columns)
        self._refuse_infinities(matrix)
        return matrix

    def unchecked_vectors(self, columns: Mapping[str, Any]) -> Matrix:
        """Build vectors of which some may be infinite, as a replay compares them."""
        inputs, pending = self._resolve(columns.keys())
        n = self._rows(columns, inputs)
        with np.errstate(all="ignore"):
            known = {**columns, **compute_on_demand(pending, columns)}
        matrix = np.empty((n, len(self._service.features)), dtype=np.float64)
        for position, name in enumerate(self._service.features):
            if np.shape(known[name]) != (n,):
                msg = f"feature {name!r}: got shape {np.shape(known[name])}; expected is ({n},)"
                raise VectorError(msg)
            matrix[:, position] = self._encoded(name, known[name])
        # A NaN carries sign and payload bits that depend on how it was computed.
        matrix[np.isnan(matrix)] = np.nan
        return matrix

    def _resolve(self, given: Set[str]) -> tuple[tuple[str, ...], tuple[OnDemandFeature, ...]]:
        """Columns to read and on-demand features to compute, in order, when some are given."""
        wanted = set(self._service.features)
        pending: list[OnDemandFeature] = []
        for feature in reversed(self._service.on_demand):
            if feature.name in wanted - given:
                pending.insert(0, feature)
                wanted.remove(feature.name)
                wanted.update(feature.inputs)
        return tuple(sorted(wanted)), tuple(pending)

    def _rows(self, columns: Mapping[str, Any], inputs: tuple[str, ...]) -> int:
        """Check the columns and return their common length."""
        missing = [name for name in inputs if name not in columns]
        if missing:
            msg = (
                f"service {self._service.name!r}: columns {missing} are missing; "
                f"got {sorted(columns)}"
            )
            raise VectorError(msg)
        lengths = {name: len(columns[name]) for name in inputs}
        if len(set(lengths.values())) != 1:
            msg = f"service {self._service.name!r}: got columns of different lengths: {lengths}"
            raise VectorError(msg)
        return lengths[inputs[0]]

    def _encoded(self, name: str, column: Any) -> Any:  # noqa: ANN401
        if name not in self._codes:
            return column
        codes = self._codes[name]
        return [codes.get(word, np.nan) for word in column]

    def _refuse_infinities(self, matrix: Matrix) -> None:
        with np.errstate(over="ignore"):
            infinite = np.isinf(matrix.astype(np.float32))
        if infinite.any():
            rows, positions = np.nonzero(infinite)
            names = sorted({self._service.features[position] for position in positions})
            refused = tuple(sorted({int(row) for row in rows}))
            msg = (
                f"service {self._service.name!r}: features {names} are infinite in "
                f"{len(refused)} of {len(matrix)} rows, first {list(refused[:_SHOWN])}; "
                "allowed are finite float32 values and null"
            )
            raise VectorError(msg, refused)
