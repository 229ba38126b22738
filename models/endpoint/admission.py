"""Admission: calls wait in one bounded line for the scoring thread."""

import asyncio
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from models.endpoint.replies import Reply


@dataclass(frozen=True, kw_only=True, eq=False)
class Call:
    """The requests of one HTTP call, scored together or not at all.

    Attributes:
        service: name of the service that is asked.
        requests: events of its request source; a time of None is filled in when they are scored.
        reply: belongs to the event loop of the server.
    """

    service: str
    requests: Sequence[Mapping[str, Any]]
    reply: "asyncio.Future[Reply]"


class WaitingLine:
    """Calls in the order of their arrival; safe to use from every thread.

    Args:
        capacity: how many requests may wait. One call is let in whatever its size when nothing
            waits.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._calls: deque[Call] = deque()
        self._waiting = 0
        self._is_closed = False
        self._changed = threading.Condition()

    @property
    def is_full(self) -> bool:
        """Whether the next call will certainly not be let in."""
        return self._is_closed or self._waiting >= self._capacity

    def enter(self, call: Call) -> bool:
        """Let a call in; return False if there is no room, or the line is closed."""
        with self._changed:
            size = len(call.requests)
            if self._is_closed or (self._calls and self._waiting + size > self._capacity):
                return False
            self._calls.append(call)
            self._waiting += size
            self._changed.notify()
            return True

    def leave(self, call: Call) -> bool:
        """Take a call out again; return False if its scoring has begun."""
        with self._changed:
            try:
                self._calls.remove(call)
            except ValueError:
                return False
            self._waiting -= len(call.requests)
            return True

    def take(self, most: int) -> list[Call]:
        """Wait for calls; return the first ones, of at most so many requests but at least one call.

        Returns:
            Nothing once the line is closed and empty.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._calls or self._is_closed)
            taken: list[Call] = []
            size = 0
            while self._calls and (not taken or size + len(self._calls[0].requests) <= most):
                taken.append(self._calls.popleft())
                size += len(taken[-1].requests)
            self._waiting -= size
            return taken

    def close(self) -> None:
        """Let nobody in any more; those who wait are still served."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
