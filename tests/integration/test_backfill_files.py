"""A backfill from files gives what the log gives into which the same files are imported."""

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import history_definitions
import pyarrow.parquet as pq
import pytest
from history_definitions import (
    DEFINITIONS,
    LATENESS_MS,
    SLIDE_MS,
    SOURCE,
    START_MS,
    random_history,
    write_files,
)

from feature_repo.offline import offline_path, offline_schema
from features.evaluator import evaluate
from features.instant import from_ms, to_ms
from features.view import FeatureView
from streaming.cli import main
from streaming.flink import backfill_files
from streaming.flink.backfill import run_backfill
from streaming.flink.backfill_files import FilesReport, HistoryError, run_files_backfill
from streaming.flink.horizon import HorizonError, capture_end_offsets
from streaming.flink.offline_files import OfflineDirectoryError, working_directory
from streaming.intake.importer import import_history
from streaming.kafka.admin import Admin
from streaming.local.stack import EmbeddedStack
from streaming.local.waiting import wait_until
from streaming.settings import Settings

pytestmark = pytest.mark.flink

HERE = Path(__file__).parent
ROOT = Path(__file__).parents[2]
COUNT = 300
WITHIN = timedelta(seconds=120)

Events = list[dict[str, Any]]


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(
        state_dir=tmp_path_factory.mktemp("state"),
        bootstrap_servers="127.0.0.1:1",
        partitions=2,
        flink_heap_mb=512,
    )


@pytest.fixture(scope="module")
def accepted() -> Events:
    return random_history(COUNT, seed=1)[0]


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("history") / "files"
    write_files(directory, [event for part in random_history(COUNT, 1) for event in part], seed=2)
    return directory


def run(settings: Settings, history: Path, out: Path, until_ms: int | None = None) -> FilesReport:
    return run_files_backfill(
        settings,
        DEFINITIONS.views,
        {SOURCE.name: [f"{history}/*.csv", f"{history}/*.parquet"]},
        None if until_ms is None else from_ms(until_ms),
        out,
    )


def bits(value: Any) -> Any:
    return value.hex() if isinstance(value, float) else (type(value).__name__, str(value))


def offline_rows(out: Path, view: FeatureView) -> list[Any]:
    names = [key.name for key in view.join_keys]
    (path,) = offline_path(out, view).rglob("*.parquet")
    table = pq.read_table(path)
    assert table.schema.equals(offline_schema(view))
    rows = []
    for row in table.to_pylist():
        end_ms = to_ms(row["window_end"])
        assert to_ms(row["event_timestamp"]) == end_ms + LATENESS_MS
        keys = tuple(row[name] for name in names)
        rows.append((end_ms, keys, tuple(bits(row[feature.name]) for feature in view.features)))
    return sorted(rows)


def all_rows(out: Path) -> dict[str, list[Any]]:
    return {view.name: offline_rows(out, view) for view in DEFINITIONS.views}


def expected(events: Events, until_ms: int) -> dict[str, list[Any]]:
    return {
        view.name: [
            (row.window_end_ms, row.keys, tuple(map(bits, row.values.values())))
            for row in evaluate(view, events, until_ms)
        ]
        for view in DEFINITIONS.views
    }


@pytest.mark.kafka
def test_files_and_the_log_they_are_imported_into_give_the_rows_of_the_evaluator(
    stack: EmbeddedStack, settings: Settings, history: Path, accepted: Events, tmp_path: Path
) -> None:
    running = settings.model_copy(update={"bootstrap_servers": stack.bootstrap_servers})
    with Admin(stack.kafka) as admin:
        admin.create_source_topics(SOURCE, running.partitions)
    end_ms = accepted[-1]["event_time_ms"] + SLIDE_MS
    # Sorted without DuckDB.
    everything = [event for part in random_history(COUNT, 1) for event in part]
    ordered = sorted(everything, key=lambda e: (e["event_time_ms"], e["event_id"] or ""))

    imported = import_history(running, SOURCE, DEFINITIONS.slides_ms(SOURCE), ordered, end_ms)
    ends = capture_end_offsets(stack.kafka, [SOURCE])
    from_log = run_backfill(running, DEFINITIONS.views, ends, tmp_path / "log")
    from_files = run(settings, history, tmp_path / "files", end_ms)

    rows = all_rows(tmp_path / "files")
    assert rows == all_rows(tmp_path / "log") == expected(accepted, end_ms - LATENESS_MS)
    assert from_files.backfill.horizon_ms == from_log.horizon_ms
    assert from_files.backfill.rows == from_log.rows == {n: len(r) for n, r in rows.items()}
    log = from_files.sources[SOURCE.name]
    assert (log.accepted, log.duplicates, log.refused) == (COUNT, COUNT // 10, COUNT // 5)
    assert (imported.accepted, imported.duplicates, imported.dead) == (
        log.accepted,
        log.duplicates,
        log.refused,
    )
    assert log.read == len(everything)
    # Negative control: the comparison sees one event less.
    assert rows != expected(accepted[1:], end_ms - LATENESS_MS)


@pytest.mark.parametrize("parallelism", [1, 2])
def test_without_an_end_rows_go_to_the_newest_event(
    settings: Settings, history: Path, accepted: Events, tmp_path: Path, parallelism: int
) -> None:
    parallel = settings.model_copy(update={"parallelism": parallelism})
    report = run(parallel, history, tmp_path / "new" / "out")
    horizon_ms = accepted[-1]["event_time_ms"] - LATENESS_MS
    assert report.backfill.horizon_ms == {SOURCE.name: horizon_ms}
    assert all_rows(tmp_path / "new" / "out") == expected(accepted, horizon_ms)


def test_no_row_is_written_that_later_events_could_change(
    settings: Settings,
    history: Path,
    accepted: Events,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    end_ms = accepted[COUNT // 2]["event_time_ms"]
    report = run(settings, history, tmp_path / "out", end_ms)
    before = [event for event in accepted if event["event_time_ms"] < end_ms]
    horizon_ms = end_ms - LATENESS_MS
    assert report.sources[SOURCE.name].accepted == len(before)
    rows = all_rows(tmp_path / "out")
    assert rows == expected(accepted, horizon_ms)
    assert all(end <= horizon_ms for each in rows.values() for end, _, _ in each)

    # Negative control: Flink does fire what lies beyond, and it is not true.
    monkeypatch.setattr(backfill_files, "_horizon_ms", lambda *_: 2**53)
    run(settings, history, tmp_path / "beyond", end_ms)
    beyond = all_rows(tmp_path / "beyond")
    assert beyond == expected(before, 2**53) != expected(accepted, 2**53)
    assert max(end for each in beyond.values() for end, _, _ in each) > horizon_ms


def test_histories_that_do_not_fit_the_views(settings: Settings, tmp_path: Path) -> None:
    def attempt(histories: dict[str, Sequence[str]], until_ms: int | None = None) -> None:
        until = None if until_ms is None else from_ms(until_ms)
        run_files_backfill(settings, DEFINITIONS.views, histories, until, tmp_path / "out")

    with pytest.raises(HistoryError, match="got source 'other'; the views read history_files"):
        attempt({"other": ["x"], SOURCE.name: ["x"]})
    with pytest.raises(HistoryError, match="got none of history_files"):
        attempt({})
    with pytest.raises(HistoryError, match=r"got the end 2\d+-.*; allowed is up to now"):
        attempt({SOURCE.name: ["x"]}, until_ms=10**13)
    assert not (tmp_path / "out").exists()
    write_files(tmp_path / "none", [], seed=1)
    with pytest.raises(HorizonError, match="got no event that is accepted; nothing is final"):
        attempt({SOURCE.name: [str(tmp_path / "none")]})
    assert list((tmp_path / "out").iterdir()) == []
    # The same files with an end are a history without events.
    attempt({SOURCE.name: [str(tmp_path / "none")]}, until_ms=START_MS)
    assert all_rows(tmp_path / "out") == {view.name: [] for view in DEFINITIONS.views}


def test_two_backfills_do_not_write_to_one_place(
    settings: Settings, history: Path, tmp_path: Path
) -> None:
    with (
        working_directory(tmp_path / "out"),
        pytest.raises(OfflineDirectoryError, match="out: another backfill is writing to it"),
    ):
        run(settings, history, tmp_path / "out")


@pytest.fixture
def command(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., int]]:
    """Runs `samestream backfill` with arguments in this process; returns its exit code."""
    monkeypatch.setenv("SAMESTREAM_STATE_DIR", str(settings.state_dir))
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: object) -> int:
        definitions = ("--definitions", history_definitions.__name__)
        monkeypatch.setattr("sys.argv", ["x", "backfill", *definitions, *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0)

    yield run
    logging.captureWarnings(capture=False)


def test_the_command_prints_what_it_read_and_wrote(
    command: Callable[..., int],
    history: Path,
    accepted: Events,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    until = from_ms(accepted[-1]["event_time_ms"]).isoformat()
    files = f"{SOURCE.name}={history}"
    assert command("--history", files, "--until", until, "--out", tmp_path / "out") == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == "source read accepted duplicates refused final until (UTC)"
    assert lines[1].startswith(f"{SOURCE.name} ")
    assert sum(f"{SOURCE.name} refused " in line for line in lines) == 3
    for view in DEFINITIONS.views:
        count = len(offline_rows(tmp_path / "out", view))
        assert any(line.startswith(f"{view.name} {count:,} ") for line in lines)
    assert " events (" in lines[-1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--history", f"{SOURCE.name}={{bad}}"], "a.csv, column key, every row: missing; the f"),
        (["--history", f"{SOURCE.name}=nowhere/*"], "got 'nowhere/*', which names no file"),
        (["--history", "no"], "--history: got 'no'; allowed is SOURCE=GLOB"),
        (["--history", "x=y", "--until", "soon"], "--until: got 'soon'; allowed is an instant"),
        (["--history", "x=y", "--until", "2013-01-01"], "an instant needs a time zone"),
        (["--until", "2013-01-01T00:00:00Z"], "without --history; the log has a horizon of its"),
    ],
)
def test_the_command_tells_bad_history_in_one_line(
    command: Callable[..., int],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a.csv").write_text("event_id,event_time\n")
    filled = [argument.format(bad=tmp_path / "bad") for argument in arguments]
    assert command(*filled, "--out", tmp_path / "out") == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("samestream: ")
    assert told.err.count("\n") == 1
    assert message in told.err
    assert not list(tmp_path.glob("out/*"))


def start(settings: Settings, history: Path, out: Path) -> subprocess.Popen[bytes]:
    """Start the command in a process and a session of its own."""
    environment = os.environ | {
        "PYTHONPATH": f"{ROOT}{os.pathsep}{HERE}",
        "SAMESTREAM_STATE_DIR": str(settings.state_dir / "command"),
        "SAMESTREAM_FLINK_HEAP_MB": "512",
    }
    command = [sys.executable, "-m", "streaming.cli", "backfill"]
    definitions = ["--definitions", history_definitions.__name__]
    files = ["--history", f"{SOURCE.name}={history}", "--out", str(out)]
    return subprocess.Popen(
        [*command, *definitions, *files], env=environment, start_new_session=True
    )


def in_log(hidden: Path) -> bool:
    return any(path.stat().st_size for path in hidden.glob("*.avro"))


def in_rows(hidden: Path) -> bool:
    return any(
        path.is_file() for view in DEFINITIONS.views for path in hidden.glob(f"{view.name}/*")
    )


@pytest.mark.parametrize("reached", [in_log, in_rows])
def test_a_killed_backfill_leaves_the_former_rows_and_the_next_one_replaces_them(
    settings: Settings, history: Path, accepted: Events, tmp_path: Path, reached: Any
) -> None:
    out = tmp_path / "out"
    early_ms = accepted[COUNT // 2]["event_time_ms"]
    run(settings, history, out, early_ms)
    before = all_rows(out)

    process = start(settings, history, out)
    try:
        wait_until(
            lambda: process.poll() is not None or any(map(reached, out.glob(".backfill-*"))),
            timeout=WITHIN,
            what="the backfill to write",
        )
    finally:
        process.kill()
        process.wait()
    assert process.returncode == -signal.SIGKILL
    assert list(out.glob(".backfill-*"))
    assert all_rows(out) == before
    wait_until(lambda: not in_session(process.pid), timeout=WITHIN, what="its children to end")

    report = run(settings, history, out)

    assert all_rows(out) == expected(accepted, report.backfill.horizon_ms[SOURCE.name]) != before
    visible = {offline_path(out, view).name for view in DEFINITIONS.views}
    assert {path.name for path in out.glob("[!.]*")} == visible


def in_session(leader: int) -> list[int]:
    """Processes that live in the session of a leader."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            _, _, after = status.read_text().rpartition(") ")
        except OSError:
            continue
        state, _, _, session = after.split()[:4]
        if int(session) == leader and state != "Z":
            found.append(int(status.parent.name))
    return found
