"""Random definitions and streams: the oracle, Flink and both stores agree, bit for bit."""

import itertools
import random
import tempfile
from pathlib import Path

import pandas as pd
import pytest
from definition_cases import TEXTS, several_definitions
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from jobs import (
    Rows,
    Stores,
    bounded_rows,
    differences,
    hop_rows,
    log_records,
    numbers,
    oracle_rows,
    settings_for,
    write_logs,
)
from stream_cases import STARTS_MS, Log, StreamCase, make_log

from features.definitions import Definitions
from features.view import FeatureView
from streaming.local.stack import EmbeddedStack
from streaming.settings import Settings
from tests.written_topics import create_topics

pytestmark = [pytest.mark.kafka, pytest.mark.valkey, pytest.mark.flink]

REQUESTS = 60
# At most so many sets of definitions share a job: three on average.
SETS = 5
_numbers = itertools.count()

cases = st.builds(
    StreamCase,
    seed=st.integers(0, 2**32),
    streams=st.integers(1, 10),
    events=st.integers(1, 200),
    partitions=st.integers(1, 4),
    start_ms=st.sampled_from(STARTS_MS),
    keys=st.integers(1, 7),
    nulls=st.sampled_from([0.0, 0.1, 0.5]),
)


def make_logs(defined: Definitions, case: StreamCase) -> dict[str, Log]:
    return {
        source.name: make_log(source, case, defined.slides_ms(source)) for source in defined.sources
    }


def test_bounded_runs_and_stores_give_what_the_oracle_gives(
    stack: EmbeddedStack, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    examples = request.config.getoption("--property-examples")

    @settings(
        max_examples=max(1, examples // 3),
        deadline=None,
        print_blob=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(data=st.data(), case=cases)
    def check(data: st.DataObject, case: StreamCase) -> None:
        name = f"random{next(_numbers)}"
        defined = data.draw(several_definitions(name, most=SETS))
        note(f"{case}")
        jobs = settings_for(stack, tmp_path, case.partitions)
        logs = make_logs(defined, case)
        create_topics(jobs.kafka, defined, jobs.partitions)
        write_logs(jobs, log_records(logs))
        with tempfile.TemporaryDirectory(dir=tmp_path) as work:
            check_definitions(jobs, defined, logs, Path(work), name)

    check()


def check_definitions(
    jobs: Settings, defined: Definitions, logs: dict[str, Log], work: Path, name: str
) -> None:
    expected = {view: oracle_rows(view, logs[view.source.name]) for view in defined.views}
    for parallelism in (1, 2):
        parallel = jobs.model_copy(update={"parallelism": parallelism})
        found = bounded_rows(parallel, defined, work / str(parallelism))
        for view in defined.views:
            wrong = differences(found[view], expected[view])
            assert not wrong, f"{view}, parallelism {parallelism}"
    check_hop(jobs, defined.views[0], expected[defined.views[0]], logs, work)
    stores = Stores(jobs, defined, name)
    for view in defined.views:
        check_stores(stores, view, expected[view], logs[view.source.name], work / "1")


def check_hop(
    jobs: Settings, view: FeatureView, expected: Rows, logs: dict[str, Log], work: Path
) -> None:
    """Where a window is not empty, Flink's sliding window has the same values."""
    size_ms = view.window.size_ms
    filled = {
        (end, entity)
        for end, entity in expected
        for event in logs[view.source.name].accepted
        if end - size_ms <= event["event_time_ms"] < end
        and tuple(event[key.name] for key in view.join_keys) == entity
    }
    found = hop_rows(jobs, view, work)
    for key in filled:
        wanted = {name: expected[key][name] for name in found[key]}
        # Numbers, not digits: collected decimals have another scale.
        assert found[key] == wanted, f"HOP of {view} at {key}"


def check_stores(stores: Stores, view: FeatureView, expected: Rows, log: Log, rows: Path) -> None:
    """What requests get at random instants, from the point-in-time join and from the ring."""
    rng = random.Random(log.horizon_ms)
    known = sorted({entity for _, entity in expected}, key=repr)
    unknown = tuple(TEXTS[0] if each.type.word == "string" else -12_345 for each in view.join_keys)
    first_ms = min((end for end, _ in expected), default=0)
    last_ms = max(first_ms + 1, log.horizon_ms)
    keys = [rng.choice([*known, unknown]) for _ in range(REQUESTS)]
    times = [rng.randrange(max(0, first_ms - 10_000), last_ms) for _ in range(REQUESTS)]
    # Exactly when a row becomes available, and one millisecond before.
    for at, (end, entity) in enumerate(
        rng.sample(sorted(expected, key=repr), min(20, len(expected)))
    ):
        keys[at] = entity
        times[at] = end + view.source.lateness_ms - at % 2
    as_of = [view.as_of(time_ms) for time_ms in times]
    nothing = dict.fromkeys(feature.name for feature in view.features)
    wanted = []
    for entity, until in zip(keys, as_of, strict=True):
        ends = [end for end, each in expected if each == entity and end <= until]
        values = expected[max(ends), entity] if ends else nothing
        wanted.append({name: numbers(value) for name, value in values.items()})
    asked = pd.DataFrame(
        {
            "number": range(REQUESTS),
            "event_timestamp": pd.to_datetime(pd.Series(times), unit="ms", utc=True).dt.as_unit(
                "us"
            ),
            **{key.name: [entity[at] for entity in keys] for at, key in enumerate(view.join_keys)},
        }
    )
    assert stores.offline(view, asked, rows) == wanted, f"offline {view}"
    assert stores.online(view, keys, as_of, expected) == wanted, f"online {view}"
