"""`samestream explain`: golden text, and the picture to scale."""

import dataclasses
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from features.aggregation import Count, Sum
from features.examples.flights import DEFINITIONS
from features.filter import And, Comparison, Filter, IsNull
from features.fingerprint import view_fingerprint
from features.window import SlidingWindow
from streaming.cli import main
from streaming.describe.explain import explain
from streaming.describe.window_picture import window_picture
from streaming.flink.select import select_rows, view_statements

GOLDEN = Path(__file__).parent / "golden"
FLIGHTS = "features.examples.flights"
WINDOWS = {
    "month_by_day": (timedelta(days=30), timedelta(days=1), timedelta(minutes=1)),
    "tumbling": (timedelta(seconds=10), timedelta(seconds=10), timedelta(minutes=1)),
    "few_slides": (timedelta(hours=1), timedelta(minutes=15), timedelta(minutes=5)),
    "lateness_is_the_slide": (timedelta(minutes=3), timedelta(minutes=1), timedelta(minutes=1)),
}


def check(path: Path, text: str, request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--update-golden"):
        path.write_text(text)
    assert text == path.read_text()


@pytest.mark.parametrize("name", ["origin_departures_3h", "origin_hour_30d"])
def test_the_text_equals_its_golden_file(name: str, request: pytest.FixtureRequest) -> None:
    view = DEFINITIONS.view(name)
    sections = list(explain(FLIGHTS, view))
    (sql,) = (section for section in sections if "CREATE" in section)
    statements = (*view_statements(view), select_rows(view))
    assert sql == "\nSQL\n---\n" + ";\n\n".join(statements) + ";"  # see the golden SQL
    text = "\n".join(section for section in sections if section is not sql)
    text = text.replace(view_fingerprint(view), "<fingerprint>")
    check(GOLDEN / f"explain_{name}.txt", f"{text}\n", request)


def test_the_picture_equals_its_golden_file(request: pytest.FixtureRequest) -> None:
    pictures = [
        f"{name}\n{window_picture(SlidingWindow(size=size, slide=slide), lateness)}\n"
        for name, (size, slide, lateness) in WINDOWS.items()
    ]
    check(GOLDEN / "window_pictures.txt", "\n".join(pictures), request)


def test_a_filter_is_shown_with_its_name() -> None:
    hub = And((Comparison("origin", "==", "JFK"), IsNull("tailnum")))
    aggregations = (Count(where=Filter("hub", hub)), Sum("late"))
    view = dataclasses.replace(DEFINITIONS.view("dest_departures_3h"), aggregations=aggregations)
    count, total = next(explain(FLIGHTS, view)).splitlines()[-2:]
    assert count.startswith("dest_departures_3h_hub_count  int64  count of events, where ")
    assert count.endswith("where origin == 'JFK' and tailnum is null (filter hub)")
    assert total == "dest_departures_3h_late_sum   int64  sum of late"


def test_an_unknown_view_is_one_line_that_names_the_others(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "argv", ["samestream", "explain", "nope", "--definitions", FLIGHTS])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("samestream: feature view: got 'nope'; allowed are carrier_30d, carrier")


def test_only_the_last_section_loads_feast() -> None:
    script = (
        "import sys\n"
        "from streaming.cli import app\n"
        "from streaming.describe.explain import explain\n"
        f"from {FLIGHTS} import DEFINITIONS\n"
        f"sections = explain({FLIGHTS!r}, DEFINITIONS.view('carrier_30d'))\n"
        "print(sum(1 for _ in zip(range(4), sections)))\n"
        "print(sorted({'feast', 'pyflink', 'kafka', 'pyarrow'} & set(sys.modules)))\n"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.split("\n") == ["4", "[]", ""]
