"""Writer and reader on a real server, against a model that keeps everything in lists."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis
from stop_definitions import day, stop, stop_line

from feature_repo.online_store import connect
from feature_repo.reader import OnlineReader
from feature_repo.writer import FencedError, InputSlice, OnlineWriter, ProgressStep, RowStep
from features.fingerprint import view_fingerprint
from features.view import FeatureView
from streaming.local.stack import EmbeddedStack

pytestmark = pytest.mark.valkey

SLIDE_MS = stop.window.slide_ms
# Larger than 32 bits, as real times are.
START = 1_700_000_000_000 // SLIDE_MS
projects = (f"online{number}" for number in itertools.count())


class Store:
    """One project in the store, with a writer that numbers its own input."""

    def __init__(self, redis: Redis, ring_slides: int = 3) -> None:
        self.redis = redis
        self.project = next(projects)
        self.ring_slides = ring_slides
        self.writer = self.new_writer()
        self.reader = OnlineReader(redis, project=self.project, views=(stop, stop_line, day))
        self._next: dict[str, int] = {}

    def new_writer(self) -> OnlineWriter:
        return OnlineWriter(
            self.redis,
            project=self.project,
            views=(stop, stop_line, day),
            ring_slides=self.ring_slides,
        )

    def slice(self, topic: str, length: int) -> InputSlice:
        first = self._next.get(topic, 0)
        self._next[topic] = first + length
        return InputSlice(topic=topic, partition=0, first_offset=first, next_offset=first + length)

    def rows(self, view: FeatureView, rows: Sequence[dict[str, Any]]) -> int:
        step = RowStep(view=view, rows=rows, source=self.slice(view.name, len(rows)))
        return self.writer.apply([step])[0]

    def progress(self, view: FeatureView, *records: tuple[int, int]) -> int:
        known = [progress(view, slot, count) for slot, count in records]
        step = ProgressStep(records=known, source=self.slice("progress", len(known)))
        return self.writer.apply([step])[0]

    def complete(self, view: FeatureView) -> int | None:
        window_end = self.reader.complete()[view.name]
        return None if window_end is None else window_end // SLIDE_MS - START

    def read(self, view: FeatureView, *wanted: tuple[tuple[Any, ...], int]) -> Any:
        as_of = [(START + slot) * SLIDE_MS for _, slot in wanted]
        return self.reader.read(view, [keys for keys, _ in wanted], np.array(as_of, np.int64))


def tap(name: str, slot: int, count: int = 1) -> dict[str, Any]:
    return {
        "stop": name,
        "window_end_ms": (START + slot) * SLIDE_MS,
        "by_stop_count": count,
        "by_stop_fare_mean": None,
        "by_stop_paid_sum": 0,
    }


def progress(view: FeatureView, slot: int, count: int) -> dict[str, Any]:
    return {
        "view": view.name,
        "fingerprint": view_fingerprint(view),
        "window_end_ms": (START + slot) * SLIDE_MS,
        "row_count": count,
    }


@pytest.fixture
def redis(stack: EmbeddedStack) -> Redis:
    return connect(stack.redis_address)


@pytest.fixture
def store(redis: Redis) -> Store:
    return Store(redis)


SLOTS = st.integers(0, 12)
BATCHES = st.lists(st.lists(st.tuples(st.sampled_from("ab"), SLOTS), max_size=8), max_size=6)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(batches=BATCHES, ring_slides=st.integers(1, 4))
def test_rings_agree_with_lists(
    redis: Redis, batches: list[list[tuple[str, int]]], ring_slides: int
) -> None:
    store = Store(redis, ring_slides)
    known: dict[str, list[tuple[int, int]]] = {}
    evicted: set[str] = set()
    number = 0
    for batch in batches:
        rows, appended = [], 0
        for name, slot in batch:
            number += 1
            rows.append(tap(name, slot, number))
            mine = known.setdefault(name, [])
            if not mine or slot > mine[-1][0]:
                mine.append((slot, number))
                appended += 1
        assert store.rows(stop, rows) == appended
        for name, mine in known.items():
            old = [row for row in mine if row[0] <= mine[-1][0] - ring_slides]
            # Of a ring that lost nothing the origin is the first row.
            second = mine[name in evicted :][:1]
            if second and second[0][0] <= mine[-1][0] - 1.25 * ring_slides:
                evicted.add(name)
                known[name] = mine[mine.index(old[-1]) :]

    wanted = [((name,), slot) for name in "abc" for slot in range(-1, 14)]
    rows = store.read(stop, *wanted)

    for index, ((name,), slot) in enumerate(wanted):
        seen = [row for row in known.get(name, []) if row[0] <= slot]
        end = (START + seen[-1][0]) * SLIDE_MS if seen else None
        assert (rows.window_end_ms[index] if rows.found[index] else None) == end
        assert rows.ahead[index] == (name in evicted and not seen)
        np.testing.assert_array_equal(
            rows.columns["by_stop_count"][index], seen[-1][1] if seen else np.nan
        )


def test_every_kind_of_value_comes_back(store: Store) -> None:
    row = {
        "stop": "Zürich \U0001f68b",
        "line": -(2**63),
        "window_end_ms": START * SLIDE_MS,
        "by_stop_line_count": 2,
        "by_stop_line_note_last": "a\x00é",
        "by_stop_line_paid_last": True,
        "by_stop_line_fare_last": None,
    }
    empty = row | {
        "line": 7,
        "by_stop_line_count": 0,
        "by_stop_line_note_last": None,
        "by_stop_line_paid_last": None,
    }
    store.rows(stop_line, [row, empty])

    keys = [(row["stop"], -(2**63)), (row["stop"], 7), ("nowhere", 7), (None, 7), ("x", None)]
    rows = store.read(stop_line, *((key, 0) for key in keys))

    none = [np.nan] * 3
    np.testing.assert_array_equal(rows.columns["by_stop_line_count"], [2, 0, *none])
    np.testing.assert_array_equal(rows.columns["by_stop_line_paid_last"], [1, np.nan, *none])
    assert rows.columns["by_stop_line_note_last"].tolist() == ["a\x00é", *[None] * 4]
    assert rows.window_end_ms.tolist()[:2] == [START * SLIDE_MS] * 2
    assert rows.found.tolist() == [True] * 2 + [False] * 3
    assert not rows.ahead.any()


def test_a_view_is_complete_when_every_row_so_far_is_there(store: Store) -> None:
    assert store.complete(stop) is None
    store.rows(stop, [tap("a", 1), tap("b", 1), tap("a", 2)])
    assert store.complete(stop) is None, "nothing says how many rows there are"

    store.progress(stop, (0, 0), (1, 2), (2, 2), (3, 0))
    assert store.complete(stop) == 1, "a row of slot 2 is missing, slot 3 has to wait for it"
    store.rows(stop, [tap("b", 2)])

    assert store.complete(stop) == 3
    assert store.complete(day) is None
    assert store.redis.hlen(f"samestream:{store.project}:counts:{_id(stop)}") == 0
    assert [slot for slot, _ in store.reader.completions(stop)] == [
        (START + slot) * SLIDE_MS for slot in range(4)
    ]
    seconds, _ = store.redis.time()
    assert abs(store.reader.completions(stop)[-1][1] - seconds * 1000) < 60_000


def test_rows_and_progress_that_come_again_change_nothing(store: Store) -> None:
    store.rows(stop, [tap("a", 1, 5), tap("a", 2, 6)])
    store.progress(stop, (1, 2))

    assert store.rows(stop, [tap("a", 1, 7), tap("a", 2, 8)]) == 0
    assert store.complete(stop) is None, "a row that comes again must not count twice"
    assert store.read(stop, (("a",), 2)).columns["by_stop_count"].tolist() == [6]
    assert store.progress(stop, (1, 1), (0, 0)) == 0, "what was said first holds"
    store.rows(stop, [tap("b", 1)])

    assert store.complete(stop) == 1


def test_too_many_rows_do_not_complete_a_view(store: Store) -> None:
    store.rows(stop, [tap("a", 1), tap("b", 1)])
    store.progress(stop, (1, 1), (2, 0))

    assert store.complete(stop) is None


def test_only_one_writer_goes_on(store: Store) -> None:
    zombie = store.new_writer()
    store.rows(stop, [tap("a", 1)])
    step = RowStep(
        view=stop,
        rows=[tap("a", 2), tap("z", 2)],
        source=InputSlice(topic="by_stop", partition=0, first_offset=0, next_offset=2),
    )

    with pytest.raises(FencedError, match="continues at offset 1, this writer at 0"):
        zombie.apply([step])
    stale = ProgressStep(
        records=[progress(stop, 1, 1)],
        source=InputSlice(topic="progress", partition=0, first_offset=9, next_offset=10),
    )
    with pytest.raises(FencedError, match="continues at offset 0, this writer at 9"):
        store.writer.apply([stale])

    assert store.complete(stop) is None
    rows = store.read(stop, (("a",), 9), (("z",), 9))
    assert rows.window_end_ms[0] == (START + 1) * SLIDE_MS
    assert rows.found.tolist() == [True, False]
    assert store.writer.next_offset("by_stop", 0) == 1
    assert store.writer.next_offset("by_stop", 1) == 0


def test_old_completions_are_forgotten_the_newest_stay(store: Store) -> None:
    for first in range(0, 6_000, 2_000):
        store.progress(stop, *((slot, 0) for slot in range(first, first + 2_000)))

    kept = store.reader.completions(stop)
    assert len(kept) == 4_096
    assert kept[-1][0] == (START + 5_999) * SLIDE_MS


def _id(view: FeatureView) -> str:
    return f"{view.name}-{view_fingerprint(view)}"
