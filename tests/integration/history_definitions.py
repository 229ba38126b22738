"""Views over a source with every column type, and a random history of it in files."""

import random
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal as Number
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from features.aggregation import Aggregation, Count, Last, Max, Mean, Sum
from features.definitions import Definitions
from features.entity import Entity
from features.fields import Bool, Decimal, Field, Float64, Int64, String, TimestampMs
from features.source import EventSource
from features.view import FeatureView
from features.window import SlidingWindow

START_MS = 1_700_000_000_000
SLIDE_MS = 20_000
LATENESS_MS = 7_000

Event = dict[str, Any]

SOURCE = EventSource(
    name="history_files",
    fields=(
        Field(name="key", type=String(), nullable=True),
        Field(name="order", type=Int64(), nullable=True),
        Field(name="value", type=Int64(minimum=-5_000, maximum=5_000), nullable=True),
        Field(name="ratio", type=Float64(), nullable=True),
        Field(name="flag", type=Bool(), nullable=True),
        Field(name="at", type=TimestampMs(), nullable=True),
        Field(name="price", type=Decimal(precision=12, scale=2), nullable=True),
        Field(name="kind", type=String()),
    ),
    lateness=timedelta(milliseconds=LATENESS_MS),
    max_clock_skew=timedelta(seconds=5),
)
ONE = Entity(name="one", join_keys=("key",))
TWO = Entity(name="two", join_keys=("order", "key"))


def _view(name: str, entity: Entity, slides: int, *aggregations: Aggregation) -> FeatureView:
    slide = timedelta(milliseconds=SLIDE_MS)
    return FeatureView(
        name=f"history_{name}",
        source=SOURCE,
        entity=entity,
        window=SlidingWindow(size=slides * slide, slide=slide),
        aggregations=aggregations,
    )


DEFINITIONS = Definitions(
    views=(
        _view("counts", ONE, 3, Count(), Sum("value"), Mean("value"), Mean("flag"), Sum("price")),
        _view("lasts", TWO, 6, Last("value"), Last("kind"), Last("at"), Last("ratio")),
        _view("tumbling", ONE, 1, Mean("price"), Max("ratio")),
    ),
    services=(),
)


def random_history(count: int, seed: int) -> tuple[list[Event], list[Event], list[Event]]:
    """Return accepted events, repetitions of some of them, and events to refuse."""
    rng = random.Random(seed)
    accepted: list[Event] = []
    time_ms = START_MS
    for number in range(count):
        time_ms += rng.choice([0, 0, 1, 900, 4_000, rng.randrange(SLIDE_MS)])
        if rng.random() < 0.02:
            time_ms += 8 * SLIDE_MS
        accepted.append(
            {
                "event_id": rng.choice(["a", "aa", "b", "ä"]) + f"-{number}",
                "event_time_ms": time_ms,
                "key": rng.choice(["x", "y", "z", "", None]),
                "order": rng.choice([1, 2, -(2**63), None]),
                "value": rng.choice([None, 0, rng.randrange(-5_000, 5_001)]),
                "ratio": rng.choice([None, 0.1 + 0.2, -5e-324, rng.random()]),
                "flag": rng.choice([None, True, False]),
                "at": rng.choice([None, time_ms - 1]),
                "price": rng.choice([None, Number(rng.randrange(-(10**12) + 1, 10**12)) / 100]),
                "kind": rng.choice(["", "Zürich", 'a,"b"\nc', "0", "🚀", " "]),
            }
        )
    repeated = rng.sample(accepted, count // 10)
    refused = []
    for event in rng.sample(accepted, count // 10):
        refused.append(
            {**event, "event_id": f"bad-{len(refused)}"}
            | rng.choice(
                [
                    {"value": 5_001},
                    {"kind": None},
                    {"event_id": ""},
                    {"event_id": None},
                    {"ratio": float("inf")},
                    {"price": Number(10**10)},
                ]
            )
        )
    # The same id again while it is remembered.
    refused += [
        {**event, "event_time_ms": event["event_time_ms"] + 1, "kind": "other"}
        for event in rng.sample(accepted, count // 10)
    ]
    return accepted, repeated, refused


def write_files(directory: Path, events: Sequence[Event], seed: int) -> None:
    """Write events in random order to Parquet and CSV files with different columns."""
    directory.mkdir(parents=True)
    shuffled = random.Random(seed).sample(events, len(events))
    types = {
        "event_id": pa.string(),
        "event_time_ms": pa.int64(),
        "key": pa.string(),
        "order": pa.int64(),
        "value": pa.int32(),
        "ratio": pa.float64(),
        "flag": pa.bool_(),
        "at": pa.timestamp("ms"),
        "price": pa.decimal128(20, 2),
        "kind": pa.string(),
    }
    for at in range(4):
        table = pa.Table.from_pylist(shuffled[at::4], schema=pa.schema(types))
        table = table.append_column("extra", pa.nulls(len(table), pa.float32()))
        if at % 2:
            pq.write_table(table, directory / f"{at}.parquet")
            continue
        times = table["event_time_ms"].cast(pa.timestamp("ms"))
        table = table.drop_columns("event_time_ms").append_column("event_time", times)
        pa_csv.write_csv(table, directory / f"{at}.csv")
