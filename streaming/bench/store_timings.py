"""Reads and writes of the online store beside plain ones, by turns in one process."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from redis import Redis

from feature_repo.online_layout import ProjectLayout, ViewLayout
from feature_repo.online_store import connect
from feature_repo.reader import AsOfRequest, OnlineReader
from feature_repo.rendering import PROJECT
from feature_repo.writer import InputSlice, OnlineWriter, RowStep
from streaming.bench.scoring_load import NOW_MS, fill, request, rows, service, views
from streaming.bench.stock_feast import StockReader, open_stock, write_stock

_BATCH = 500
_BATCHES = 20
_WRITTEN_ROWS = 4_000


@dataclass(frozen=True, kw_only=True)
class StoreTimings:
    """Seconds of each round, by turns: ours and what it is compared with.

    Attributes:
        batch_read: of 20 batches of 500 requests, 3 views.
        raw_pipeline: the same keys and fields by a pipeline of redis-py, not decoded.
        feast_read: the same by Feast's `get_online_features`.
        batch_write: of 4,000 rows of one view.
        feast_write: the same by Feast's `write_to_online_store`.
    """

    batch_read: list[float]
    raw_pipeline: list[float]
    feast_read: list[float]
    batch_write: list[float]
    feast_write: list[float]


def fill_stores(online_store: str, directory: Path) -> None:
    """Write the rows of every entity, with our writer and with Feast's."""
    redis = connect(online_store)
    fill(OnlineWriter(redis, project=PROJECT, views=views, ring_slides=100))
    stock = open_stock(directory, online_store)
    for view in views:
        write_stock(stock, view, _frame(list(rows(view, 0))))


def time_store(online_store: str, directory: Path, rounds: int) -> StoreTimings:
    """Time every way, by turns, after a first round that does not count."""
    redis = connect(online_store)
    stock = open_stock(directory, online_store)
    reader = OnlineReader(redis, project=PROJECT, views=views)
    stock_reader = StockReader(stock, service)
    batches = [_as_of_requests(number) for number in range(_BATCHES)]
    raw = _RawPipeline(redis)
    writer = _Writes(redis, rounds + 1)
    frames = [_frame(part) for part in writer.parts]
    ways: list[Callable[[int], object]] = [
        lambda _: [reader.read_complete(batch) for batch in batches],
        lambda _: [raw.read(batch) for batch in batches],
        lambda _: [stock_reader.read_complete(batch) for batch in batches],
        writer.write,
        lambda turn: write_stock(stock, views[0], frames[turn]),
    ]
    seconds: list[list[float]] = [[] for _ in ways]
    for turn in range(rounds + 1):
        for spent, way in zip(seconds, ways, strict=True):
            began = time.perf_counter()
            way(turn)
            spent.append(time.perf_counter() - began)
    return StoreTimings(
        batch_read=seconds[0][1:],
        raw_pipeline=seconds[1][1:],
        feast_read=seconds[2][1:],
        batch_write=seconds[3][1:],
        feast_write=seconds[4][1:],
    )


class _RawPipeline:
    """The fields that Feast keeps of each entity, by a pipeline of redis-py."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._layouts = {view: ViewLayout(ProjectLayout("stock"), view) for view in views}

    def read(self, requests: Sequence[AsOfRequest]) -> list[object]:
        pipeline = self._redis.pipeline(transaction=False)
        for each in requests:
            layout = self._layouts[each.view]
            for entity in each.keys:
                pipeline.hmget(layout.hash_key(entity), layout.hash_fields)  # type: ignore[arg-type]
        return pipeline.execute()


class _Writes:
    """Rows of one view, newer in each turn."""

    def __init__(self, redis: Redis, turns: int) -> None:
        self._writer = OnlineWriter(redis, project="writes", views=views, ring_slides=100)
        self.parts = [list(rows(views[0], -turn))[:_WRITTEN_ROWS] for turn in range(turns)]

    def write(self, turn: int) -> None:
        first = turn * _WRITTEN_ROWS
        source = InputSlice(
            topic="writes", partition=0, first_offset=first, next_offset=first + _WRITTEN_ROWS
        )
        step = RowStep(view=views[0], rows=self.parts[turn], source=source)
        if self._writer.apply([step]) != [_WRITTEN_ROWS]:
            msg = "the store was not empty"
            raise RuntimeError(msg)


def _as_of_requests(batch: int) -> list[AsOfRequest]:
    asked = [request(batch * _BATCH + number) for number in range(_BATCH)]
    return [
        AsOfRequest(
            view=view,
            keys=[tuple(each[name] for name in view.entity.join_keys) for each in asked],
            as_of_ms=np.full(_BATCH, view.as_of(NOW_MS), dtype=np.int64),
        )
        for view in views
    ]


def _frame(part: Sequence[dict[str, object]]) -> pd.DataFrame:
    frame = pd.DataFrame(part)
    times = pd.to_datetime(frame.pop("window_end_ms"), unit="ms", utc=True)
    return frame.assign(event_timestamp=times)
