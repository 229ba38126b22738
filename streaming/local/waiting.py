"""Waiting for a condition, never for a length of time."""

import time
from collections.abc import Callable
from datetime import timedelta

from features.errors import SamestreamError

_POLL_SECONDS = 0.02


class WaitTimeoutError(SamestreamError, TimeoutError):
    """Something did not become true in time."""


def wait_until(predicate: Callable[[], bool], *, timeout: timedelta, what: str) -> None:
    """Poll the predicate until it is true.

    Args:
        predicate: Cheap and repeatable; it is called at least once.
        timeout: Real time, by a clock that is not set.
        what: What is waited for, to complete the sentence "gave up waiting for ...".

    Raises:
        WaitTimeoutError: It was not true within the timeout.
    """
    deadline = time.monotonic() + timeout.total_seconds()
    while not predicate():
        if time.monotonic() >= deadline:
            message = f"gave up waiting for {what} after {timeout.total_seconds():g} s"
            raise WaitTimeoutError(message)
        time.sleep(_POLL_SECONDS)
