"""`samestream training-set` gives what plain Feast gives."""

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from feature_repo.applied import FeatureStoreError
from feature_repo.feast_objects import apply
from feature_repo.offline import offline_path, offline_schema
from feature_repo.on_demand import ChangedDefinitionsError
from feature_repo.rendering import open_store
from features.definitions import Definitions
from features.evaluator import evaluate
from features.examples.flights import DEFINITIONS as FLIGHTS
from features.examples.flights.history import read_history
from features.examples.payments import DEFINITIONS as PAYMENTS
from features.examples.payments.history import PaymentsHistory
from features.instant import from_ms, to_ms
from features.view import FeatureView
from models.request_file import RequestFileError
from streaming.cli import app
from streaming.settings import Settings
from streaming.training_set import write_training_set
from tests.readme import run_snippet, snippet

# No server is there: history is read from files alone.
NOWHERE = "127.0.0.1:1"
FLIGHTS_FROM = to_ms(datetime(2013, 3, 1, 10, tzinfo=UTC))
FLIGHTS_UNTIL = to_ms(datetime(2013, 3, 1, 20, tzinfo=UTC))


def write_rows(root: Path, view: FeatureView, events: Iterable[Any], until_ms: int) -> None:
    rows = [
        dict(zip(view.entity.join_keys, row.keys, strict=True))
        | {
            "event_timestamp": from_ms(row.window_end_ms + view.source.lateness_ms),
            "window_end": from_ms(row.window_end_ms),
        }
        | row.values
        for row in evaluate(view, events, until_ms)
    ]
    directory = offline_path(root, view)
    directory.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows, offline_schema(view)), directory / "rows.parquet")


def deploy(directory: Path, module: str, defined: Definitions, history: Any, end_ms: int) -> None:
    """Put the rows of the evaluator into an offline store and apply the definitions."""
    for view in defined.views:
        events = history.events(view.source.name, start_ms=end_ms - 86_400_000, end_ms=end_ms)
        write_rows(directory / "offline", view, events, end_ms)
    apply(open_store(directory, online_store=NOWHERE), module, directory / "offline")


@pytest.fixture(scope="module")
def flights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state directory with some flights, and `requests.parquet` with a label and the gate."""
    state = tmp_path_factory.mktemp("flights")
    history = read_history()
    deploy(state, "features.examples.flights", FLIGHTS, history, FLIGHTS_UNTIL)
    requests = pd.DataFrame(
        history.events("boardings", start_ms=FLIGHTS_FROM, end_ms=FLIGHTS_UNTIL)
    )
    requests["event_timestamp"] = pd.to_datetime(requests["event_time_ms"], unit="ms", utc=True)
    requests["event_timestamp"] = requests["event_timestamp"].dt.as_unit("us")
    requests["label"] = requests.index % 3 == 0
    requests["gate"] = "A1"
    # Not in the order of time, as a user has them.
    requests.sample(frac=1, random_state=1).to_parquet(state / "requests.parquet", index=False)
    return state


def test_the_command_and_the_notebook_of_the_readme_agree(flights: Path) -> None:
    requests, out = flights / "requests.parquet", flights / "training.parquet"

    command = ["training-set", "--requests", str(requests), "--service", "departure_delay"]
    done = CliRunner().invoke(app, [*command, "--out", str(out), "--state", str(flights)])
    notebook = run_snippet(
        snippet("Pull a training set with plain Feast", 1),
        **{
            "requests.parquet": str(requests),
            ".samestream/feature_store.yaml": str(flights / "feature_store.yaml"),
        },
    )["training_set"]

    assert done.exit_code == 0, done.output
    written = pd.read_parquet(out)
    asked = pd.read_parquet(requests)
    assert done.output == f"{out}: {len(asked):,} requests, {len(written.columns)} columns\n"
    assert written["event_id"].tolist() == asked["event_id"].tolist()
    assert set(written.columns) == set(notebook.columns) >= {"label", "gate"}
    notebook = notebook.set_index("event_id").loc[written["event_id"]].reset_index()
    pd.testing.assert_frame_equal(
        written, notebook[written.columns], check_dtype=False, check_exact=True
    )
    names = [feature.name for view in FLIGHTS.views for feature in view.features]
    assert all(written[name].nunique() > 1 for name in names if "30d" not in name)
    # Negative control: another instant has other features.
    later = asked.assign(event_timestamp=asked["event_timestamp"] + pd.Timedelta(minutes=5))
    later.drop(columns="event_time_ms").to_parquet(flights / "later.parquet")
    settings = Settings(state_dir=flights)
    write_training_set(
        settings, requests=flights / "later.parquet", service="departure_delay", out=out
    )
    assert not pd.read_parquet(out)[names].equals(written[names])


def test_decimals_and_texts_as_csv(tmp_path: Path) -> None:
    history = PaymentsHistory(customers=4, days=3)
    end_ms = max(event["event_time_ms"] for event in history.events("settlements")) + 86_400_000
    module = "features.examples.payments"
    for view in PAYMENTS.views:
        write_rows(tmp_path / "offline", view, history.events(view.source.name), end_ms)
    apply(open_store(tmp_path, online_store=NOWHERE), module, tmp_path / "offline")
    settings = Settings(definitions=module, state_dir=tmp_path / "elsewhere")
    given = pd.DataFrame(history.events("payments")).drop(columns=["event_id", "fee"])
    given["event_time_ms"] += 3 * 86_400_000
    given.to_csv(tmp_path / "requests.csv", index=False)

    def written(name: str) -> pd.DataFrame:
        rows, columns = write_training_set(
            settings,
            requests=tmp_path / "requests.csv",
            service="payment_fraud",
            out=tmp_path / name,
            feature_store=tmp_path / "feature_store.yaml",
        )
        assert rows == len(given)
        read = pd.read_csv if name.endswith(".csv") else pd.read_parquet
        frame: pd.DataFrame = read(tmp_path / name)
        assert frame.shape == (rows, columns)
        return frame

    text, binary = written("out.csv"), written("out.parquet")

    assert list(text.columns) == list(binary.columns)
    assert binary["amount"].tolist() == given["amount"].tolist()
    assert text["card_30d_amount_mean"].equals(binary["card_30d_amount_mean"])
    for event, row in zip(given.to_dict("records"), binary.to_dict("records"), strict=True):
        rows = [
            row
            for row in evaluate(
                PAYMENTS.view("card_30d"),
                history.events("payments"),
                PAYMENTS.view("card_30d").as_of(event["event_time_ms"]),
            )
            if row.keys == (event["card"],)
        ]
        for name, value in rows[-1].values.items():
            if name in row:
                assert row[name] == value or (value is None and pd.isna(row[name])), name


def test_clear_errors(flights: Path, tmp_path: Path) -> None:
    requests, out = flights / "requests.parquet", tmp_path / "out.parquet"
    settings = Settings(state_dir=flights)

    def write(**changed: Any) -> None:
        asked = {"requests": requests, "service": "departure_delay", "out": out}
        write_training_set(settings, **(asked | changed))

    with pytest.raises(ValueError, match=r"got 'arrival_delay'; allowed are departure_delay"):
        write(service="arrival_delay")
    with pytest.raises(FeatureStoreError, match=r"missing.yaml: there is no such file"):
        write(feature_store=tmp_path / "missing.yaml")
    with pytest.raises(RequestFileError, match=r"got the suffix '.xlsx'; allowed are"):
        write(out=tmp_path / "out.xlsx")
    open_store(tmp_path / "empty", online_store=NOWHERE)
    with pytest.raises(FeatureStoreError, match=r"got service 'departure_delay'; it knows \[\]"):
        write(feature_store=tmp_path / "empty" / "feature_store.yaml")
    assert not out.exists()


def test_other_definitions_than_those_applied(
    flights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("feature_repo.applied.service_fingerprint", lambda _: "changed")
    with pytest.raises(ChangedDefinitionsError, match="apply the definitions again"):
        write_training_set(
            Settings(state_dir=flights),
            requests=flights / "requests.parquet",
            service="departure_delay",
            out=tmp_path / "out.csv",
        )
