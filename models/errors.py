"""Errors of vectors, models and the registry."""

from features.errors import SamestreamError


class VectorError(SamestreamError, ValueError):
    """Columns that cannot become vectors.

    Attributes:
        rows: positions of the rows at fault; empty when the columns themselves are.
    """

    def __init__(self, message: str, rows: tuple[int, ...] = ()) -> None:
        super().__init__(message)
        self.rows = rows


class TrainingError(SamestreamError, ValueError):
    """A training set that a model cannot be trained on."""


class DamagedModelError(SamestreamError, ValueError):
    """A model whose files are missing, changed, or do not give the scores that they gave."""


class WrongModelError(SamestreamError, ValueError):
    """An intact model that was made for other features than those of the running service."""


class UnknownModelError(SamestreamError, LookupError):
    """A model, version or alias that the registry does not have."""


class PredictionColumnError(SamestreamError, ValueError):
    """Requests with a column whose name a prediction needs."""
