"""The instants at which every partition of a source gets a heartbeat."""

import heapq
from collections.abc import Collection, Iterator
from itertools import groupby


def heartbeat_instants(
    slides_ms: Collection[int], lateness_ms: int, after_ms: int, until_ms: int
) -> Iterator[int]:
    """Yield every `W + lateness` in `(after_ms, until_ms]`, W a boundary of any of the slides.

    Ascending, each instant once. With lateness 1 and the slides 5 and 10:

        W             5    10   15   20
        instants       6    11   16   21
    """
    series = (
        range(
            ((after_ms - lateness_ms) // slide_ms + 1) * slide_ms + lateness_ms,
            until_ms + 1,
            slide_ms,
        )
        for slide_ms in slides_ms
    )
    return (instant for instant, _ in groupby(heapq.merge(*series)))


def closing_heartbeats(slides_ms: Collection[int], lateness_ms: int, end_ms: int) -> list[int]:
    """Return the heartbeats at the end of imported history, ascending, each instant once.

    They make every view complete at `W*(end)` exactly: for each slide the instants `W + lateness`
    in `[W*(end) - slide, end]`, where `W*(end)` is the newest boundary that a request at `end_ms`
    may see, and `end_ms` itself.
    """
    instants = {end_ms}
    for slide_ms in slides_ms:
        as_of_ms = (end_ms - lateness_ms) // slide_ms * slide_ms
        instants.update(
            heartbeat_instants((slide_ms,), lateness_ms, as_of_ms - slide_ms - 1, end_ms)
        )
    return sorted(instants)
