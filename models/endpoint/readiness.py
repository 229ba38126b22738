"""Whether the endpoint can give answers that are worth something, and why not."""

from collections.abc import Iterable, Iterator
from datetime import timedelta

from feature_repo.reader import StoreUnavailableError
from features.instant import MILLISECOND
from models.endpoint.clock import ClockUnknownError
from models.endpoint.serving import ServedService


def unready_reasons(services: Iterable[ServedService], max_staleness: timedelta) -> list[str]:
    """Return why services are not ready, one sentence for each reason; nothing if all are.

    Args:
        services: all of them have to be ready.
        max_staleness: how far a view may be behind, unless its service says so itself.
    """
    return [reason for served in services for reason in _reasons(served, max_staleness)]


def _reasons(served: ServedService, max_staleness: timedelta) -> Iterator[str]:
    who = f"service {served.service.name!r}"
    if served.model is None:
        yield f"{who}: no model is loaded"
    if served.trouble is not None:
        yield f"{who}: {served.trouble}"
    limit = served.service.max_staleness
    if limit is None:
        limit = max_staleness
    try:
        overdue_ms = served.clock.overdue_ms()
    except (StoreUnavailableError, ClockUnknownError) as error:
        yield f"{who}: {error}"
        return
    for view, behind_ms in overdue_ms.items():
        if behind_ms is None:
            yield f"{who}: view {view!r} was never complete"
        elif behind_ms * MILLISECOND > limit:
            behind = behind_ms * MILLISECOND
            yield f"{who}: view {view!r} is {behind} behind; allowed is {limit}"
