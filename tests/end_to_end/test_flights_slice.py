"""A small slice of flights through every process, from a producer to the proof."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import feast
import numpy as np
import pandas as pd
import pytest
from kafka import KafkaProducer

from feature_repo.online_layout import ProjectLayout, ViewLayout
from feature_repo.online_store import connect
from feature_repo.rendering import PROJECT
from features.examples.flights.history import FlightsHistory, read_history
from features.instant import to_ms
from streaming.audit.latency import boundary_to_complete, event_to_prediction
from streaming.audit.served import read_served
from streaming.demo.plan import DemoPlan, new_york
from streaming.demo.system import DemoSystem
from streaming.intake.gate import Outcome
from streaming.kafka.producer import EventProducer
from streaming.kafka.topics import raw_topic
from streaming.local.stack import EmbeddedStack
from streaming.local.state import StateDirectory
from streaming.local.system import process_specs
from streaming.local.waiting import wait_until
from streaming.scoring.counters import Tally, scorer_counts
from streaming.settings import Settings
from tests.command_line import running, samestream
from tests.readme import run_snippet, snippet

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.valkey,
    pytest.mark.flink,
    pytest.mark.end_to_end,
    # Feast sets its own filters when it is imported.
    pytest.mark.filterwarnings("default::DeprecationWarning"),
]

PLAN = DemoPlan(
    history_from=new_york(2013, 12, 1),
    test_from=new_york(2013, 12, 6),
    replay_from=new_york(2013, 12, 8),
    replay_until=new_york(2013, 12, 8, 9),
    speed=2_000,
)
TAMPERED_FROM = new_york(2013, 12, 8, 10)
TAMPERED_UNTIL = new_york(2013, 12, 8, 13)
TAMPERED_CARRIER = "UA"


@pytest.fixture(scope="module")
def history() -> FlightsHistory:
    return read_history()


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory, history: FlightsHistory) -> Iterator[Any]:
    """The system after a replay, part of it with one tampered feature value, still running."""
    state = StateDirectory(tmp_path_factory.mktemp("system"))
    with EmbeddedStack(state) as stack:
        demo = DemoSystem(Settings(state_dir=state.root), stack, PLAN)
        demo.import_history(history, _no_progress)
        demo.backfill()
        demo.start_processes()
        demo.train()
        demo.wait_complete(_no_progress)
        _replay(demo, history, PLAN.replay_from, PLAN.replay_until)
        demo.wait_scored()
        _tamper(demo)
        _replay(demo, history, TAMPERED_FROM, TAMPERED_UNTIL)
        demo.wait_scored()
        yield demo
        demo.stop_processes()


def _no_progress(done: float, total: float) -> None:
    assert 0 <= done <= 2 * total


def _replay(demo: DemoSystem, history: FlightsHistory, start: datetime, end: datetime) -> None:
    demo.replay(history, to_ms(start), to_ms(end), _no_progress)


def _requests(history: FlightsHistory, start: datetime, end: datetime) -> list[dict[str, Any]]:
    return list(history.events("boardings", start_ms=to_ms(start), end_ms=to_ms(end)))


def _tamper(demo: DemoSystem) -> None:
    """Change the lowest bit of one stored value: the late rate of one carrier."""
    redis = connect(demo.settings.online_store)
    layout = ViewLayout(ProjectLayout(PROJECT), demo.definitions.view("carrier_30d"))
    key = layout.ring_key((TAMPERED_CARRIER,))
    ring: Any = redis.get(key)
    value = np.frombuffer(ring[-8:], dtype="<f8")
    assert 0 < value[0] < 1
    redis.set(key, ring[:-8] + np.nextafter(value, 1).tobytes())


def test_the_log_explains_every_prediction_but_the_tampered_ones(
    system: DemoSystem, history: FlightsHistory
) -> None:
    untouched = _requests(history, PLAN.replay_from, PLAN.replay_until)
    asked = _requests(history, TAMPERED_FROM, TAMPERED_UNTIL)
    requests = len(untouched) + len(asked)
    tampered = sum(1 for event in asked if event["carrier"] == TAMPERED_CARRIER)
    assert tampered > 10
    report = system.verify()
    assert report["requests"] == report["predictions"] == requests
    assert report["unexplained"] == tampered
    assert report["exact"] == requests - tampered
    assert report["missing"] == report["doubled"] == report["refused"] == report["pending"] == 0
    assert report["explained"] == {}
    assert not report["proven"]
    assert all("carrier_30d_late_mean" in example for example in report["examples"])


def test_nothing_was_late_doubled_or_dead_and_flink_dropped_nothing(system: DemoSystem) -> None:
    for counts in system.outcomes().values():
        assert counts[Outcome.ACCEPTED] > 0
        assert counts[Outcome.LATE] == counts[Outcome.DUPLICATE] == counts[Outcome.DEAD] == 0
    assert system.dropped_by_flink() == 0


def test_latencies_are_measured(system: DemoSystem) -> None:
    waits = event_to_prediction(system.settings, system.service)
    served = read_served(system.settings.kafka, system.service)
    assert len(waits) == len(served.predictions)
    assert (waits >= 0).all()
    assert boundary_to_complete(system.settings, system.definitions).size > 100


def test_plain_feast_gives_what_was_served(system: DemoSystem) -> None:
    yaml = str(system.settings.feature_store_yaml)
    names = run_snippet(
        snippet("Pull a training set with plain Feast"), **{".samestream/feature_store.yaml": yaml}
    )
    frame: pd.DataFrame = names["training_set"]
    assert len(frame) == 2
    assert set(system.service.features) <= set(frame.columns)


def test_plain_feast_gives_the_same_newest_values_online_and_offline(system: DemoSystem) -> None:
    store = feast.FeatureStore(fs_yaml_file=system.settings.feature_store_yaml)
    view = system.definitions.view("route_30d")
    keys = [("EWR", "IAH"), ("JFK", "LAX"), ("LGA", "ATL"), ("EWR", "nowhere")]
    features = [f"{view.name}:{feature.name}" for feature in view.features]
    rows = pd.DataFrame(keys, columns=["origin", "dest"])
    # The offline rows end with the history; the daily views have no newer row online yet.
    rows["event_timestamp"] = pd.Timestamp(PLAN.replay_from).tz_convert("UTC")
    offline = store.get_historical_features(rows, features).to_df().set_index(["origin", "dest"])
    online = store.get_online_features(
        features, [{"origin": origin, "dest": dest} for origin, dest in keys]
    ).to_df()
    for row in online.to_dict("records"):
        expected = offline.loc[(row["origin"], row["dest"])]
        for feature in view.features:
            pair = (row[feature.name], expected[feature.name])
            assert all(map(pd.isna, pair)) or pair[0] == pair[1]
    assert offline["route_30d_count"].notna().sum() == 3


def test_a_service_reads_predictions(system: DemoSystem) -> None:
    names = run_snippet(
        snippet("Read predictions"), **{"127.0.0.1:9092": system.settings.bootstrap_servers}
    )
    assert names["prediction"]["service"] == system.service.name
    assert len(names["prediction"]["vector"]) == len(system.service.features)


def test_bad_events_are_kept_with_their_reason_and_good_ones_accepted(system: DemoSystem) -> None:
    """Comes after all that look at the replay: the events of today end it."""
    boardings = system.definitions.source("boardings")
    before = system.outcomes()["boardings"]
    event = {
        "event_id": "late",
        "event_time_ms": to_ms(PLAN.history_from),
        "carrier": "UA",
        "flight": 1,
        "tailnum": None,
        "origin": "EWR",
        "dest": "IAH",
        "distance": 1400,
        "sched_dep": to_ms(PLAN.history_from),
        "hour": 12,
    }
    servers = system.settings.bootstrap_servers
    with EventProducer(boardings, system.settings.kafka) as producer:
        producer.send(event)
    raw = KafkaProducer(bootstrap_servers=servers)
    raw.send(raw_topic(boardings), key=b"broken", value=b"no Avro")
    raw.flush()
    raw.close()
    run_snippet(snippet("Publish events"), **{"127.0.0.1:9092": servers})
    expected = {
        **before,
        Outcome.LATE: before[Outcome.LATE] + 1,
        Outcome.DEAD: before[Outcome.DEAD] + 1,
        Outcome.ACCEPTED: before[Outcome.ACCEPTED] + 1,
    }
    wait_until(
        lambda: system.outcomes()["boardings"] == expected,
        timeout=timedelta(seconds=30),
        what="intake to judge three events",
    )


def test_what_is_left_running_is_shown_and_stopped(system: DemoSystem) -> None:
    """Comes last: nothing runs any more. It is how `samestream demo --keep` ends."""
    stack = system.stack
    system.stop_processes()
    kept = {process.name for process in stack.status() if process.alive}
    assert kept == {"kafka", "valkey"}

    system.leave_running()
    names = sorted(
        {"supervisor", *kept, *(spec.name for spec in process_specs(system.definitions))}
    )
    wait_until(
        lambda: [process.name for process in stack.status() if process.alive] == names,
        timeout=timedelta(seconds=30),
        what="every process to be started again",
    )
    shown = samestream("status", stack.state.root)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert running(shown) == names
    assert [view.name for view in system.definitions.views if view.name not in shown.stdout] == []
    counts = scorer_counts(system.settings.kafka, system.service)
    lines = [line.split() for line in shown.stdout.splitlines()]
    assert [[tally.value, f"{counts[tally]:,}"] in lines for tally in Tally] == [True] * len(Tally)
    assert counts[Tally.PREDICTIONS] > 0

    stopped = samestream("down", stack.state.root)
    assert stopped.returncode == 0
    assert stack.status() == []
    assert stack.state.kafka_data.exists()
