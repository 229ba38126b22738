"""The reader of the online store: progress, and rows as of the instant of a request."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import numpy as np
from redis import Redis
from redis.client import Pipeline
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError
from redis.exceptions import TimeoutError as RedisTimeoutError

from feature_repo.online_layout import ProjectLayout, ViewLayout
from feature_repo.ring import AsOfRows, Integers, RingCodec
from feature_repo.scripts import load_script
from features.errors import SamestreamError
from features.view import FeatureView

_Result = TypeVar("_Result")


class StoreUnavailableError(SamestreamError, ConnectionError):
    """The online store cannot be reached, or did not answer in time."""


@dataclass(frozen=True, kw_only=True)
class AsOfRequest:
    """Entities of one view, each as of its own window end.

    Attributes:
        view: the definition.
        keys: join key values of each request, in the order of the view's join keys.
        as_of_ms: newest window end that each request may see.
    """

    view: FeatureView
    keys: Sequence[tuple[Any, ...]]
    as_of_ms: Integers


class OnlineReader:
    """Reads what `OnlineWriter` wrote; every method may raise `StoreUnavailableError`."""

    def __init__(self, redis: Redis, *, project: str, views: Sequence[FeatureView]) -> None:
        """Take a connection without decoding of responses, the Feast project and the views."""
        self._redis = redis
        self._layout = ProjectLayout(project)
        self._views = {view: ViewLayout(self._layout, view) for view in views}
        self._rings = {view: RingCodec(view.features) for view in views}
        self._ids = [layout.id for layout in self._views.values()]
        self._script = ""

    def complete(self) -> dict[str, int | None]:
        """Newest window end of each view, by name, up to which every row is in the store."""
        return self._window_ends(self._layout.complete)

    def queued(self) -> dict[str, int | None]:
        """Newest window end of each view, by name, whose progress the store has heard of."""
        return self._window_ends(self._layout.queued)

    def completions(self, view: FeatureView) -> list[tuple[int, int]]:
        """Newest window ends and when each became complete by the server's clock, both in ms."""
        key = self._layout.completions(self._views[view].id)
        with answering():
            stored = cast("list[bytes]", self._redis.lrange(key, 0, -1))
        pairs = (entry.decode().split(":") for entry in stored)
        return [(int(window_end), int(time)) for window_end, time in pairs]

    def read(
        self, view: FeatureView, keys: Sequence[tuple[Any, ...]], as_of_ms: Integers
    ) -> AsOfRows:
        """Read one view, see `read_complete`."""
        _, (rows,) = self.read_complete([AsOfRequest(view=view, keys=keys, as_of_ms=as_of_ms)])
        return rows

    def read_complete(
        self, requests: Sequence[AsOfRequest]
    ) -> tuple[dict[str, int | None], list[AsOfRows]]:
        """Read progress and then the rows of all views in one round trip; each row is read once.

        Rows that arrive in between can only be newer than the progress says. A request with a null
        key part has no row, like an entity that was never seen.

        Returns:
            What `complete` returns, and the rows of each request.
        """
        if not self._ids:
            return {}, []
        wanted = [_distinct(request) for request in requests]

        def read() -> list[Any]:
            pipeline = self._redis.pipeline(transaction=False)
            pipeline.hmget(self._layout.complete, self._ids)
            for request, (pairs, _) in zip(requests, wanted, strict=True):
                if pairs:
                    self._add_read(pipeline, request.view, pairs)
            return pipeline.execute()

        complete, *found = self._with_script(read)
        answers = iter(found)
        rows = [
            self._rings[request.view].unpack(next(answers) if pairs else b"", which)
            for request, (pairs, which) in zip(requests, wanted, strict=True)
        ]
        return self._by_name(complete), rows

    def nothing(self, view: FeatureView, n: int) -> AsOfRows:
        """Return the rows of n requests whose entities are not known."""
        return self._rings[view].unpack(b"", np.full(n, -1))

    def _add_read(
        self, pipeline: Pipeline, view: FeatureView, pairs: Sequence[tuple[tuple[Any, ...], int]]
    ) -> None:
        layout, ring = self._views[view], self._rings[view]
        instants = np.array([as_of_ms for _, as_of_ms in pairs], dtype="<i8").tobytes()
        arguments = [
            *[layout.ring_key(keys) for keys, _ in pairs],
            ring.row_bytes,
            ring.origin,
            ring.ahead,
            instants,
        ]
        pipeline.evalsha(self._script, len(pairs), *cast("list[str]", arguments))

    def _with_script(self, read: Callable[[], _Result]) -> _Result:
        with answering():
            try:
                return read()
            except NoScriptError:
                # The first time, and whenever the server was started anew.
                self._script = load_script(self._redis, "read_rows")
                return read()

    def _window_ends(self, key: str) -> dict[str, int | None]:
        if not self._ids:
            return {}
        with answering():
            return self._by_name(self._redis.hmget(key, self._ids))

    def _by_name(self, stored: Any) -> dict[str, int | None]:  # noqa: ANN401
        return {
            view.name: int(window_end) if window_end is not None else None
            for view, window_end in zip(self._views, stored, strict=True)
        }


def _distinct(
    request: AsOfRequest,
) -> tuple[list[tuple[tuple[Any, ...], int]], Integers]:
    """Return each (keys, instant) without nulls once, and where each request has its own."""
    positions: dict[tuple[tuple[Any, ...], int], int] = {}
    which = [
        -1 if None in pair[0] else positions.setdefault(pair, len(positions))
        for pair in zip(request.keys, request.as_of_ms.tolist(), strict=True)
    ]
    return list(positions), np.array(which, dtype=np.int64)


@contextmanager
def answering() -> Iterator[None]:
    """Turn what the client raises when the store does not answer into our error."""
    try:
        yield
    except (RedisConnectionError, RedisTimeoutError) as error:
        msg = f"online store: it does not answer ({error})"
        raise StoreUnavailableError(msg) from error
