"""`samestream predict`: what it writes, whatever interrupts it."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from batch_definitions import card, fraud, strict
from batch_system import UNTIL_MS, BatchSystem, deploy, scored_by_a_loop
from typer.testing import CliRunner

from feature_repo.online_store import connect
from feature_repo.precomputed import PrecomputedStore
from feature_repo.rendering import PROJECT
from features.instant import to_ms
from features.source import EVENT_TIME_MS
from models.dataset import request_events
from models.errors import PredictionColumnError
from models.loading import load_model
from models.request_file import RequestFileError, read_requests
from models.scorer import Scorer
from streaming.batch.highest import parse_top
from streaming.batch.job import BatchJob, BatchJobError, begun_job
from streaming.batch.predict import BatchPrediction, NotPromotedError, predict
from streaming.batch.summary import Summary
from streaming.cli import app
from streaming.console import Console
from streaming.kafka.admin import Admin
from streaming.kafka.topics import promotions_topic, validated_topic
from streaming.local.stack import EmbeddedStack
from streaming.local.waiting import wait_until
from streaming.scoring.precomputed import PrecomputedPredictions
from streaming.scoring.promotion import promote
from streaming.settings import Settings

ROWS = 2_000
RECEIPT = ["card_1h__as_of", "card_1h__window_end", "card_1h__mark"]


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> BatchSystem:
    state = tmp_path_factory.mktemp("batch")
    deploy(state, (fraud, strict), ROWS)
    made = BatchSystem(state=state, scorer=None)  # type: ignore[arg-type]
    model = load_model(made.model(), made.model().name, fraud, nthread=1)
    return replace(made, scorer=Scorer(fraud, model))


@pytest.fixture(scope="module", autouse=True)
def model_is_loaded_once() -> Iterator[None]:
    """Loading tries the model out in a process of its own, which takes seconds."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("streaming.batch.predict.load_model", cache(load_model))
        yield


@pytest.fixture(scope="module")
def whole(system: BatchSystem) -> Path:
    """The predictions of an uninterrupted run in one chunk."""
    out = system.state / "whole.parquet"
    ask(system, out=out)
    return out


def ask(system: BatchSystem, **changed: Any) -> Summary:
    service = changed.pop("service", fraud)
    asked = {
        "service": service.name,
        "requests": system.requests,
        "model": system.model(service),
        **changed,
    }
    settings = Settings(definitions="batch_definitions", state_dir=system.state)
    return predict(settings, BatchPrediction(**asked), Console())


def ms(column: "pd.Series[Any]") -> list[int | None]:
    return [None if pd.isna(value) else to_ms(value.to_pydatetime()) for value in column]


def hidden(out: Path) -> Path:
    return out.with_name(f".{out.name}.predict")


def test_every_bit_is_that_of_a_loop(system: BatchSystem, whole: Path) -> None:
    given = pd.read_parquet(system.requests, dtype_backend="numpy_nullable")
    found = pq.read_table(whole)
    frame = found.to_pandas()
    assert found.select(list(given.columns)).equals(pq.read_table(system.requests))
    is_scored = (frame["refused"].isna()).to_numpy()
    asked = [
        {name: None if pd.isna(value) else value for name, value in row.items()}
        for row in given.to_dict("records")
    ]

    scored, ends = scored_by_a_loop(
        system.scorer, [row for row, kept in zip(asked, is_scored, strict=True) if kept]
    )

    assert frame["score"].to_numpy()[is_scored].tobytes() == scored.scores.tobytes()
    assert np.stack(frame["vector"][is_scored].tolist()).tobytes() == scored.vectors.tobytes()
    assert frame["decision"][is_scored].astype(bool).tolist() == scored.decisions.tolist()
    assert 0 < frame["decision"][is_scored].sum() < len(scored.scores)
    assert ms(frame["card_1h__window_end"][is_scored]) == ends
    assert ms(frame["card_1h__as_of"]) == [card.as_of(row[EVENT_TIME_MS]) for row in asked]
    assert ms(frame["request_time"]) == [row[EVENT_TIME_MS] for row in asked]
    assert json.loads(found.schema.field("vector").metadata[b"features"]) == list(fraud.features)
    manifest = system.scorer.model.manifest
    assert set(frame["model_sha256"]) == {manifest.booster_sha256}
    assert set(frame["fingerprint"]) == {manifest.service_fingerprint}
    # Payments by a card without a payment in the last hour: an amount divided by zero.
    assert set(frame["refused"].dropna()) == {"invalid"}
    assert frame["score"].isna().tolist() == frame["vector"].isna().tolist()
    assert frame["score"].isna().tolist() == frame["refused"].notna().tolist()


def test_marks(whole: Path) -> None:
    frame = pd.read_parquet(whole)
    as_of = np.array(ms(frame["card_1h__as_of"]))
    is_late, is_unknown = as_of > UNTIL_MS, frame["card_1h__window_end"].isna().to_numpy()
    expected = np.where(is_late, "STALE", np.where(is_unknown, "UNKNOWN", ""))
    assert frame["card_1h__mark"].fillna("").tolist() == expected.tolist()
    assert 0 < is_late.sum() < len(frame)
    assert 0 < is_unknown.sum() < len(frame)


def test_the_size_of_the_chunks_changes_nothing(system: BatchSystem, whole: Path) -> None:
    out = system.state / "chunks.parquet"
    ask(system, out=out, chunk_rows=333)
    assert out.read_bytes() == whole.read_bytes()
    assert not hidden(out).exists()
    # Negative control: one other amount.
    other = pd.read_parquet(system.requests, dtype_backend="numpy_nullable")
    other.loc[1_500, "amount"] = 901
    other.to_parquet(system.state / "other.parquet", index=False)
    ask(system, out=out, chunk_rows=333, requests=system.state / "other.parquet")
    assert out.read_bytes() != whole.read_bytes()


def test_stale_requests_are_refused_beyond_the_limit(system: BatchSystem, whole: Path) -> None:
    out = system.state / "strict.parquet"

    summary = ask(system, service=strict, out=out)

    frame, loose = pd.read_parquet(out), pd.read_parquet(whole)
    limit_ms = timedelta(minutes=10) // timedelta(milliseconds=1)
    stale = np.array(ms(frame["card_1h__as_of"])) > UNTIL_MS + limit_ms
    assert (frame["refused"] == "stale").tolist() == stale.tolist()
    assert frame["score"][stale].isna().all()
    assert frame[RECEIPT].equals(loose[RECEIPT])
    assert frame["score"][~stale].equals(loose["score"][~stale])
    invalid = (loose["refused"] == "invalid") & ~stale
    assert summary.refused == {"stale": stale.sum(), "invalid": invalid.sum()}
    marks = frame["card_1h__mark"].value_counts()
    assert summary.marks == {("card_1h", mark): marks[mark] for mark in ("STALE", "UNKNOWN")}
    assert "card_1h: " in "\n".join(summary.lines())
    # Not one is left to score.
    late = ask(system, service=strict, out=out, as_of_ms=UNTIL_MS + 2 * limit_ms)
    assert late.refused == {"stale": ROWS}


def test_one_time_for_all_requests(system: BatchSystem) -> None:
    at = UNTIL_MS - 1
    file = system.state / "timeless.parquet"
    requests = pd.read_parquet(system.requests).drop(columns=EVENT_TIME_MS)
    requests.to_parquet(file, index=False)
    out, expected = system.state / "as_of.parquet", system.state / "expected.parquet"

    ask(system, requests=file, as_of_ms=at, out=out)

    requests.assign(event_time_ms=at).to_parquet(file, index=False)
    ask(system, requests=file, out=expected)
    found = pd.read_parquet(out)
    pd.testing.assert_frame_equal(found, pd.read_parquet(expected)[found.columns], check_exact=True)
    assert set(ms(found["request_time"])) == {at}


def test_the_highest_scores(system: BatchSystem, whole: Path) -> None:
    out = system.state / "top.parquet"
    summary = ask(system, out=out, top=parse_top("5%"), chunk_rows=300)
    scored = pd.read_parquet(whole, dtype_backend="numpy_nullable").dropna(subset="score")
    expected = scored.sort_values("score", ascending=False, kind="stable")
    wanted = -(-len(scored) // 20)
    pd.testing.assert_frame_equal(
        pd.read_parquet(out, dtype_backend="numpy_nullable"),
        expected.head(wanted).reset_index(drop=True),
        check_exact=True,
    )
    # There are equal scores, so the order of the file decides.
    assert expected["score"].head(wanted).duplicated().any()
    assert (summary.requests, summary.written) == (ROWS, wanted)


def test_requests_of_nobody(system: BatchSystem) -> None:
    file, out = system.state / "nobody.parquet", system.state / "none.parquet"
    pd.read_parquet(system.requests).head(3).assign(card=None).to_parquet(file, index=False)
    summary = ask(system, requests=file, out=out)
    assert summary.marks == {("card_1h", "UNKNOWN"): 3}
    assert pd.read_parquet(out)["score"].notna().all()


def test_csv(system: BatchSystem, whole: Path) -> None:
    file, out = system.state / "requests.csv", system.state / "out.csv"
    pd.read_parquet(system.requests, dtype_backend="numpy_nullable").to_csv(file, index=False)

    ask(system, requests=file, out=out, chunk_rows=700)

    read, expected = pd.read_csv(out), pd.read_parquet(whole)
    assert list(read.columns) == list(expected.columns)
    assert read["score"].astype(np.float32).equals(expected["score"])
    assert read["event_id"].tolist() == expected["event_id"].tolist()
    for text, vector in zip(read["vector"].dropna(), expected["vector"].dropna(), strict=True):
        numbers = [np.nan if value is None else value for value in json.loads(text)]
        assert np.array_equal(numbers, vector, equal_nan=True)


def killed_at(system: BatchSystem, out: Path, chunks: int) -> None:
    """Kill a run as soon as so many chunks are finished."""
    with run(system, out) as process:
        path = hidden(out) / f"chunk-{chunks - 1:06d}.parquet"
        wait_until(
            lambda: path.exists() or process.poll() is not None,
            timeout=timedelta(minutes=2),
            what=path.name,
        )
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL


def run(system: BatchSystem, out: Path) -> "subprocess.Popen[str]":
    arguments = [system.state, system.requests, system.model(), out, 40]
    return subprocess.Popen(
        [sys.executable, Path(__file__).with_name("batch_worker.py"), *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_a_killed_run_goes_on_where_it_was(system: BatchSystem, whole: Path) -> None:
    out = system.state / "killed.parquet"
    for chunks in (1, 9, 23):
        killed_at(system, out, chunks)
        assert not out.exists()
    finished = len(list(hidden(out).glob("chunk-*.parquet")))
    # Half a chunk is no chunk, wherever it came from.
    (hidden(out) / f".chunk-{finished:06d}.parquet.new").write_bytes(b"PAR1")
    keep = system.state / "copy"
    shutil.copytree(hidden(out), keep)

    with run(system, out) as process:
        told, _ = process.communicate(timeout=120)

    assert process.returncode == 0, told
    assert f"going on after {finished} finished chunks" in told
    assert 23 <= finished < ROWS // 40
    assert out.read_bytes() == whole.read_bytes()
    assert not hidden(out).exists()
    # Negative control: the finished chunks are not made again, so a false one would show.
    shutil.move(keep, hidden(out))
    shutil.copy(hidden(out) / "chunk-000003.parquet", hidden(out) / "chunk-000004.parquet")
    ask(system, out=out, chunk_rows=40)
    assert out.read_bytes() != whole.read_bytes()


@pytest.fixture
def interrupted(system: BatchSystem, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An output whose run has failed after two chunks of 500."""
    out = system.state / "interrupted.parquet"
    keep = BatchJob.keep

    def fail_at_the_third(job: BatchJob, number: int, chunk: Any) -> None:
        if number == 2:
            raise KeyboardInterrupt
        keep(job, number, chunk)

    with monkeypatch.context() as patched:
        patched.setattr(BatchJob, "keep", fail_at_the_third)
        with pytest.raises(KeyboardInterrupt):
            ask(system, out=out, chunk_rows=500)
    yield out
    shutil.rmtree(hidden(out), ignore_errors=True)
    out.unlink(missing_ok=True)


def test_another_question_starts_over(
    system: BatchSystem, interrupted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = system.state / "fewer.parquet"
    pd.read_parquet(system.requests).head(1_200).to_parquet(other, index=False)
    ask(system, out=interrupted, chunk_rows=500, requests=other)
    assert "starting over: an interrupted run had other requests" in capsys.readouterr().out
    assert len(pd.read_parquet(interrupted)) == 1_200


def test_the_same_question_goes_on(
    system: BatchSystem, whole: Path, interrupted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ask(system, out=interrupted, chunk_rows=500)
    assert "going on after 2 finished chunks" in capsys.readouterr().out
    assert interrupted.read_bytes() == whole.read_bytes()


def test_two_at_once(tmp_path: Path) -> None:
    out = tmp_path / "twice.parquet"
    with (
        begun_job(out, {}, {}),
        pytest.raises(BatchJobError, match=r"twice.parquet: another `samestream predict`"),
        begun_job(out, {}, {}),
    ):
        pytest.fail("two runs write one file")


def test_the_command(system: BatchSystem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMESTREAM_DEFINITIONS", "batch_definitions")
    out = tmp_path / "out.parquet"
    options = {
        "--requests": system.requests,
        "--service": fraud.name,
        "--out": out,
        "--model": system.model(),
        "--state": system.state,
        "--as-of": "1970-01-01T12:00:00Z",
        "--top": "3",
    }
    command = [str(word) for pair in options.items() for word in pair]
    done = CliRunner().invoke(app, ["predict", *command])
    assert done.exit_code == 0, done.output
    assert f"{out}: 2,000 requests, version 7 of batch_fraud, 3 rows written\n" in done.output
    assert "card_1h: " in done.output
    assert set(pd.read_parquet(out)["request_time"]) == {pd.Timestamp("1970-01-01T12:00Z")}


def test_clear_errors(system: BatchSystem, tmp_path: Path) -> None:
    requests, file = pd.read_parquet(system.requests), tmp_path / "requests.parquet"
    out = tmp_path / "out.parquet"
    requests.assign(score=1.0).to_parquet(file, index=False)
    with pytest.raises(PredictionColumnError, match="got the column 'score', which the predict"):
        ask(system, requests=file, out=out)
    requests.drop(columns=EVENT_TIME_MS).to_parquet(file, index=False)
    with pytest.raises(RequestFileError, match="got no column event_time_ms or event_timestamp"):
        ask(system, requests=file, out=out)
    requests.head(0).to_parquet(file, index=False)
    with pytest.raises(RequestFileError, match="got no rows; a prediction needs a request"):
        ask(system, requests=file, out=out)
    requests.assign(tags=[["x"]] * ROWS).to_parquet(file, index=False)
    with pytest.raises(RequestFileError, match=r"'tags' of type list.* which a CSV file cannot"):
        ask(system, requests=file, out=tmp_path / "out.csv")
    with pytest.raises(RequestFileError, match=r"got the suffix '.xlsx'"):
        ask(system, out=tmp_path / "out.xlsx")
    assert not out.exists()


@pytest.mark.kafka
@pytest.mark.valkey
def test_the_promoted_model_and_predictions_that_are_kept(
    system: BatchSystem, whole: Path, stack: EmbeddedStack
) -> None:
    settings = Settings(
        definitions="batch_definitions",
        state_dir=system.state,
        bootstrap_servers=stack.bootstrap_servers,
        online_store=stack.redis_address,
    )
    out = system.state / "promoted.parquet"
    asked = BatchPrediction(
        service=fraud.name, requests=system.requests, out=out, keep=True, chunk_rows=300
    )
    with Admin(stack.kafka) as admin:
        admin.create_topics([validated_topic(fraud.request)], 2)
        admin.create_topics([promotions_topic(fraud)], 1)
    with pytest.raises(NotPromotedError, match="'batch_fraud': no model is promoted; promote one"):
        predict(settings, asked, Console())
    manifest = system.scorer.model.manifest
    promote(
        stack.kafka,
        fraud,
        model_name=fraud.name,
        model_version="7",
        model_sha256=manifest.booster_sha256,
        model_dir=system.model(),
    )

    predict(settings, asked, Console())

    assert out.read_bytes() == whole.read_bytes()
    store = PrecomputedStore(connect(stack.redis_address), project=PROJECT, service=fraud)
    events = request_events(fraud, read_requests(system.requests, fraud))
    found = PrecomputedPredictions(store).get(
        events, model=("7", manifest.booster_sha256), max_age=timedelta(0)
    )
    rows = pd.read_parquet(out)
    newest: dict[Any, int] = {}
    for event, row in zip(events, rows.itertuples(), strict=True):
        inputs = tuple(event[name] for name in fraud.request_inputs)
        if row.refused is None:
            newest[inputs] = max(event[EVENT_TIME_MS], newest.get(inputs, event[EVENT_TIME_MS]))
    for event, row, record in zip(events, rows.itertuples(), found, strict=True):
        inputs = tuple(event[name] for name in fraud.request_inputs)
        is_newest = row.refused is None and newest[inputs] == event[EVENT_TIME_MS]
        assert (record is not None) == is_newest
        if record is not None:
            assert record["score"] == row.score
            assert np.array(record["vector"]).tobytes() == row.vector.tobytes()
            assert (record["model_version"], record["decision"]) == ("7", row.decision)
            (receipt,) = record["views"]
            assert receipt["mark"] == row.card_1h__mark
