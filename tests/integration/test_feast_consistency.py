"""A plain Feast client gets the same values online and offline."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import feast
import numpy as np
import pair_definitions
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from stop_definitions import DEFINITIONS, day, fraud, stop, stop_line

from feature_repo.feast_objects import apply
from feature_repo.offline import offline_path, offline_schema, view_id
from feature_repo.online_layout import ProjectLayout
from feature_repo.online_store import UncountedWriteError, connect
from feature_repo.reader import OnlineReader
from feature_repo.rendering import open_store
from feature_repo.writer import InputSlice, OnlineWriter, ProgressStep, RowStep
from features.fingerprint import view_fingerprint
from features.view import FeatureView
from streaming.local.stack import EmbeddedStack

pytestmark = pytest.mark.valkey

PROJECT = "consistency"
MODULE = "stop_definitions"
SLIDE_MS = stop.window.slide_ms
LATENESS_MS = stop.source.lateness_ms
START = 1_700_000_000_000 // SLIDE_MS
NEWEST_MS = (START + 4) * SLIDE_MS
DAY_MS = 1_699_920_000_000

# The newest row of every entity is at slot 3 or 4, older ones hold other values.
ROWS: dict[FeatureView, list[tuple[Any, ...]]] = {
    stop: [
        ("JFK", 1, 1, 0.1, 0),
        ("JFK", 4, 3, 1 / 3, 2),
        ("Zürich \U0001f68b", 3, 0, None, 0),
        ("", 3, 2, -0.0, 1),
    ],
    stop_line: [
        ("JFK", 1, 2, 9, "old", False, -1),
        ("JFK", 1, 3, 5, "é\x00", True, 0),
        ("JFK", -(2**63), 4, 1, None, None, None),
        ("Zürich \U0001f68b", 2**62, 3, 1, "", False, 99),
    ],
    day: [(DAY_MS, 3, 2**52 + 1, NEWEST_MS - 1), (0, 2, 0, None)],
}
ENTITIES = [
    {"stop": "JFK", "line": 1, "day": DAY_MS, "note": None},
    {"stop": "JFK", "line": -(2**63), "day": 0, "note": "mine"},
    {"stop": "Zürich \U0001f68b", "line": 2**62, "day": DAY_MS, "note": ""},
    {"stop": "", "line": 1, "day": 0, "note": None},
    {"stop": "unknown", "line": 2, "day": 86_400_000, "note": None},
    {"stop": "JFK", "line": 1, "day": DAY_MS, "note": "the same entity again"},
    {"stop": None, "line": 1, "day": DAY_MS, "note": None},
    {"stop": "JFK", "line": None, "day": DAY_MS, "note": None},
]
FEATURES = [
    *(feature.name for view in fraud.views for feature in view.features),
    *(feature.name for feature in fraud.on_demand),
]


def as_rows(view: FeatureView) -> list[dict[str, Any]]:
    keys = [key.name for key in view.join_keys]
    names = [*keys, "window_end_ms", *(feature.name for feature in view.features)]
    rows = [dict(zip(names, row, strict=True)) for row in ROWS[view]]
    return [row | {"window_end_ms": (START + row["window_end_ms"]) * SLIDE_MS} for row in rows]


def write_offline(root: Path, view: FeatureView) -> None:
    schema = offline_schema(view)
    columns = [
        row
        | {
            "event_timestamp": pd.Timestamp(
                row["window_end_ms"] + LATENESS_MS, unit="ms", tz="UTC"
            ),
            "window_end": pd.Timestamp(row["window_end_ms"], unit="ms", tz="UTC"),
        }
        for row in as_rows(view)
    ]
    # Two part files, as a parallel job writes them.
    for number, part in enumerate((columns[:1], columns[1:])):
        table = pa.Table.from_pylist(part, schema=schema)
        pq.write_table(table, offline_path(root, view) / f"part-{number}.parquet")


@pytest.fixture(scope="module")
def store(stack: EmbeddedStack, tmp_path_factory: pytest.TempPathFactory) -> feast.FeatureStore:
    """A store in which the writer put the rows online, and files hold them offline."""
    root = tmp_path_factory.mktemp("offline")
    feast_store = open_store(
        tmp_path_factory.mktemp("feast"), online_store=stack.redis_address, project=PROJECT
    )
    apply(feast_store, MODULE, root)
    writer = OnlineWriter(
        connect(stack.redis_address), project=PROJECT, views=DEFINITIONS.views, ring_slides=2
    )
    for view in DEFINITIONS.views:
        write_offline(root, view)
        rows = as_rows(view)
        source = InputSlice(topic=view.name, partition=0, first_offset=0, next_offset=len(rows))
        assert writer.apply([RowStep(view=view, rows=rows, source=source)]) == [len(rows)]
    return feast_store


def requests(instant_ms: int) -> pd.DataFrame:
    frame = pd.DataFrame(ENTITIES)
    frame["line"] = pd.array([row["line"] for row in ENTITIES], dtype="Int64")
    frame["event_time_ms"] = instant_ms
    frame["event_timestamp"] = pd.Timestamp(instant_ms, unit="ms", tz="UTC")
    frame["number"] = range(len(frame))
    return frame


def offline(store: feast.FeatureStore, instant_ms: int) -> pd.DataFrame:
    job = store.get_historical_features(requests(instant_ms), store.get_feature_service("fraud"))
    return job.to_df().sort_values("number", ignore_index=True)


def online(store: feast.FeatureStore, instant_ms: int) -> pd.DataFrame:
    rows = [row | {"event_time_ms": instant_ms} for row in ENTITIES]
    return store.get_online_features(store.get_feature_service("fraud"), rows).to_df()


def values(frame: pd.DataFrame, name: str) -> list[Any]:
    return [None if pd.isna(value) else value for value in frame[name]]


def test_values_are_the_same_online_and_offline(store: feast.FeatureStore) -> None:
    now_ms = NEWEST_MS + LATENESS_MS
    from_files, from_server = offline(store, now_ms), online(store, now_ms)

    for name in FEATURES:
        assert values(from_files, name) == values(from_server, name), name
    assert values(from_server, "by_stop_count") == [3, 3, 0, 2, None, 3, None, 3]
    assert values(from_server, "by_stop_fare_mean")[:4] == [1 / 3, 1 / 3, None, -0.0]
    assert values(from_server, "by_stop_line_note_last")[:3] == ["é\x00", None, ""]
    assert values(from_server, "by_stop_line_paid_last")[:3] == [True, None, False]
    assert values(from_server, "by_day_count")[0] == 2**52 + 1
    assert values(from_server, "known_line")[:3] == [1.0, float(-(2**63)), float(2**62)]
    assert values(from_server, "tap_age")[0] == LATENESS_MS + 1
    assert values(from_server, "fourfold_count")[0] == 12


def seen_by_a_model(found: list[Any]) -> list[Any]:
    """Text, or the bits of the nearest double; None for null."""
    return [
        each if isinstance(each, str) else None if pd.isna(each) else float(each).hex()
        for each in found
    ]


def test_the_batch_reader_gives_what_feast_reads(
    store: feast.FeatureStore, stack: EmbeddedStack
) -> None:
    reader = OnlineReader(connect(stack.redis_address), project=PROJECT, views=DEFINITIONS.views)
    now_ms = NEWEST_MS + LATENESS_MS
    served = online(store, now_ms)

    def read(view: FeatureView, as_of_ms: int) -> dict[str, list[Any]]:
        keys = [tuple(row[key.name] for key in view.join_keys) for row in ENTITIES]
        rows = reader.read(view, keys, np.full(len(keys), as_of_ms, dtype=np.int64))
        return {name: seen_by_a_model(column.tolist()) for name, column in rows.columns.items()}

    for view in fraud.views:
        found = read(view, view.as_of(now_ms))
        assert set(found) == {feature.name for feature in view.features}
        for name, column in found.items():
            assert column == seen_by_a_model(values(served, name)), name
    # Negative control: the rows of the instant before are others.
    earlier = read(stop, stop.as_of(now_ms) - 1)
    assert earlier["by_stop_count"] != seen_by_a_model(values(served, "by_stop_count"))


def test_two_views_on_one_entity_stay_apart(stack: EmbeddedStack, tmp_path: Path) -> None:
    redis = connect(stack.redis_address)
    own = open_store(tmp_path, online_store=stack.redis_address, project="pair")
    apply(own, "pair_definitions", tmp_path)
    views = (pair_definitions.short, pair_definitions.long)
    writer = OnlineWriter(redis, project="pair", views=views, ring_slides=2)
    # The second item has a row of one view only.
    entities = {views[0]: (7, 2**62), views[1]: (7, -3)}
    for view, items in entities.items():
        names = [feature.name for feature in view.features]
        rows = [
            {"item": item, "window_end_ms": NEWEST_MS, names[0]: item % 11, names[1]: view.name}
            for item in items
        ]
        source = InputSlice(topic=view.name, partition=0, first_offset=0, next_offset=len(rows))
        assert writer.apply([RowStep(view=view, rows=rows, source=source)]) == [len(rows)]

    asked = [7, 2**62, -3, 5]
    answer = own.get_online_features(
        own.get_feature_service("pair_returns"), [{"item": item} for item in asked]
    ).to_dict()
    reader = OnlineReader(redis, project="pair", views=views)
    found: dict[str, Any] = {}
    for view in views:
        keys = [(item,) for item in asked]
        found |= reader.read(view, keys, np.full(len(keys), NEWEST_MS, dtype=np.int64)).columns

    for name in pair_definitions.service.features:
        assert seen_by_a_model(found[name].tolist()) == seen_by_a_model(answer[name]), name
    assert answer["pair_short_count"] == [7, 2**62 % 11, None, None]
    assert answer["pair_long_buyer_last"] == ["pair_long", None, "pair_long", None]


def test_another_instant_gives_other_values_offline(store: feast.FeatureStore) -> None:
    """The comparison can fail: a millisecond before the newest rows are known they are not seen."""
    before = offline(store, NEWEST_MS + LATENESS_MS - 1)

    assert values(before, "by_stop_count")[0] == 1
    assert values(online(store, NEWEST_MS + LATENESS_MS), "by_stop_count")[0] == 3


def test_feast_refuses_to_write_rows_that_nobody_counts(store: feast.FeatureStore) -> None:
    frame = pd.DataFrame(as_rows(stop)).drop(columns="window_end_ms")
    frame["event_timestamp"] = pd.Timestamp(NEWEST_MS, unit="ms", tz="UTC")

    with pytest.raises(UncountedWriteError, match="come from ingest only"):
        store.push("by_stop_push", frame)


def test_a_view_that_is_no_longer_defined_leaves_nothing_online(
    stack: EmbeddedStack, tmp_path: Path
) -> None:
    redis = connect(stack.redis_address)
    own = open_store(tmp_path, online_store=stack.redis_address, project="deleted")
    apply(own, MODULE, tmp_path)
    writer = OnlineWriter(redis, project="deleted", views=DEFINITIONS.views, ring_slides=2)
    for view in (stop, day):
        rows = as_rows(view)
        source = InputSlice(topic=view.name, partition=0, first_offset=0, next_offset=len(rows))
        progress = {
            "view": view.name,
            "fingerprint": view_fingerprint(view),
            "window_end_ms": rows[0]["window_end_ms"],
            "row_count": sum(row["window_end_ms"] == rows[0]["window_end_ms"] for row in rows),
        }
        told = InputSlice(topic=f"{view.name}.progress", partition=0, first_offset=0, next_offset=1)
        writer.apply(
            [
                RowStep(view=view, rows=rows, source=source),
                ProgressStep(records=[progress], source=told),
            ]
        )
    assert len(redis.hgetall(ProjectLayout("deleted").complete)) == 2

    def rings() -> int:
        return len(list(redis.scan_iter("samestream:deleted:ring:*")))

    assert rings() == 5
    own.apply([], objects_to_delete=[own.get_feature_view("by_stop")], partial=False)
    assert rings() == 2
    # A view that comes back must not count as complete, so ingest has to read it again.
    layout = ProjectLayout("deleted")
    assert list(redis.hgetall(layout.complete)) == [view_id(day).encode()]
    assert list(redis.hgetall(layout.queued)) == [view_id(day).encode()]
    assert not redis.exists(layout.offsets)
    own.teardown()
    assert list(redis.scan_iter("samestream:deleted:*")) == []


def test_the_repository_applies_as_it_is(stack: EmbeddedStack, tmp_path: Path) -> None:
    environment = os.environ | {
        "SAMESTREAM_PROJECT": "applied",
        "SAMESTREAM_REGISTRY": str(tmp_path / "registry.db"),
        "SAMESTREAM_ONLINE_STORE": stack.redis_address,
        "SAMESTREAM_OFFLINE_DIR": str(tmp_path / "offline"),
        "SAMESTREAM_DEFINITIONS": "features.examples.flights",
    }
    repository = Path(__file__).parents[2]

    done = subprocess.run(
        [sys.executable, "-m", "feast.cli.cli", "-c", "feature_repo", "apply"],
        cwd=repository,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    applied = open_store(tmp_path, online_store=stack.redis_address, project="applied")
    assert applied.get_feature_service("departure_delay")
    assert len(applied.list_feature_views()) == 15
