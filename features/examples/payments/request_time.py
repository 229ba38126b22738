"""On-demand features of the payments example.

Numbers are float64 arrays of shape (n,) with NaN for null, texts are object arrays with None.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Texts = npt.NDArray[Any]

_SECOND_MS = 1_000.0
_DAY_MS = 86_400_000.0


def deviation(amount: Floats, mean: Floats, stddev: Floats) -> Floats:
    """How many standard deviations an amount is above the mean; NaN where nothing deviates."""
    deviations: Floats = (amount - mean) / np.where(stddev > 0.0, stddev, np.nan)
    return deviations


def seconds_between(later_ms: Floats, earlier_ms: Floats) -> Floats:
    """Seconds from one instant to another."""
    return (later_ms - earlier_ms) / _SECOND_MS


def days_between(later_ms: Floats, earlier_ms: Floats) -> Floats:
    """Days from one instant to another."""
    return (later_ms - earlier_ms) / _DAY_MS


def differs(now: Texts, before: Texts) -> Floats:
    """1 where two texts differ, 0 where they are the same, NaN where one is not known."""
    pairs = zip(now, before, strict=True)
    return np.array([np.nan if None in pair else pair[0] != pair[1] for pair in pairs], np.float64)


def suspicion(country_changed: Floats, login_elsewhere: Floats, failed_logins: Floats) -> Floats:
    """How many signs of a stolen card there are; what is not known is none."""
    failed = (failed_logins > 0.0).astype(np.float64)
    return np.nan_to_num(country_changed) + np.nan_to_num(login_elsewhere) + failed
