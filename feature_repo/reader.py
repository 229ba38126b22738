"""The reader of the online store: progress, and rows as of the instant of a request."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from redis import Redis

from feature_repo.online_layout import ProjectLayout, ViewLayout
from feature_repo.ring import AsOfRows, Integers, RingCodec
from features.view import FeatureView


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
    """Reads what `OnlineWriter` wrote; call `complete` before `read_many`, never after."""

    def __init__(self, redis: Redis, *, project: str, views: Sequence[FeatureView]) -> None:
        """Take a connection without decoding of responses, the Feast project and the views."""
        self._redis = redis
        self._layout = ProjectLayout(project)
        self._views = {view: ViewLayout(self._layout, view) for view in views}
        self._rings = {view: RingCodec(view.features, view.window.slide_ms) for view in views}

    def complete(self) -> dict[str, int | None]:
        """Newest window end of each view, by name, up to which every row is in the store."""
        ids = [layout.id for layout in self._views.values()]
        stored = cast("list[bytes | None]", self._redis.hmget(self._layout.complete, ids))
        return {
            view.name: int(window_end) if window_end is not None else None
            for view, window_end in zip(self._views, stored, strict=True)
        }

    def completions(self, view: FeatureView) -> list[tuple[int, int]]:
        """Newest window ends and when each became complete by the server's clock, both in ms."""
        key = self._layout.completions(self._views[view].id)
        stored = cast("list[bytes]", self._redis.lrange(key, 0, -1))
        pairs = (entry.decode().split(":") for entry in stored)
        return [(int(window_end), int(time)) for window_end, time in pairs]

    def read(
        self, view: FeatureView, keys: Sequence[tuple[Any, ...]], as_of_ms: Integers
    ) -> AsOfRows:
        """Read one view, see `read_many`."""
        (rows,) = self.read_many([AsOfRequest(view=view, keys=keys, as_of_ms=as_of_ms)])
        return rows

    def read_many(self, requests: Sequence[AsOfRequest]) -> list[AsOfRows]:
        """Read all views in one round trip; each entity is read once.

        A request with a null key part has no row, like an entity that was never seen.
        """
        pipeline = self._redis.pipeline(transaction=False)
        whiches, sizes = [], []
        for request in requests:
            distinct = dict.fromkeys(keys for keys in request.keys if None not in keys)
            positions = {keys: position for position, keys in enumerate(distinct)}
            whiches.append(
                np.array([positions.get(keys, -1) for keys in request.keys], dtype=np.int64)
            )
            sizes.append(len(positions))
            if positions:
                layout = self._views[request.view]
                pipeline.mget([layout.ring_key(keys) for keys in positions])
        replies = iter(pipeline.execute())
        return [
            self._rings[request.view].look_up(
                next(replies) if size else [], which, request.as_of_ms
            )
            for request, which, size in zip(requests, whiches, sizes, strict=True)
        ]
