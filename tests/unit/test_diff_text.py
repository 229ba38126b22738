"""`samestream diff`: text and exit code."""

import dataclasses
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from features.definitions import Definitions
from features.diff import compare
from features.examples.flights import DEFINITIONS
from features.fingerprint import view_fingerprint
from features.window import SlidingWindow
from streaming.cli import main
from streaming.describe.diff_text import diff_text

FLIGHTS = "features.examples.flights"
HEAD = (
    f"import dataclasses\nfrom features.definitions import Definitions\nfrom {FLIGHTS} import *\n"
)
ONE = "VIEW = DEFINITIONS.view('origin_boardings_1h')\n"
MODULES = {
    "one": "DEFINITIONS = Definitions(views=(VIEW,), services=())",
    "renamed": "DEFINITIONS = Definitions("
    "views=(dataclasses.replace(VIEW, name='boarded'),), services=())",
    "two": "DEFINITIONS = Definitions(views=(VIEW, DEFINITIONS.view('carrier_30d')), services=())",
    "none": "DEFINITIONS = Definitions(views=(), services=())",
}

TEXT = """\
features
  changed  origin_boardings_1h_count
             window
               - size 1 h, slide 5 min
               + size 2 h, slide 5 min
  removed  origin_departures_1h_count
  removed  origin_departures_1h_dep_delay_mean
  removed  origin_departures_1h_late_sum
  new      carrier_30d_count
  new      carrier_30d_dep_delay_mean
  new      carrier_30d_late_mean
  renamed  origin_boardings_4h_count -> boarded_count

sources: which events are accepted
  changed  boardings
             clock skew
               - 30 s
               + 20 s

rows to compute: views with another name or fingerprint
  origin_boardings_1h, {longer}
  boarded, {renamed}
  carrier_30d, {new}

Something changes its meaning or is gone."""


def test_the_text_says_what_happened_and_why() -> None:
    names = ("origin_boardings_1h", "origin_boardings_4h", "origin_departures_1h")
    first, second, third = (DEFINITIONS.view(name) for name in names)
    source = dataclasses.replace(first.source, max_clock_skew=timedelta(seconds=20))
    longer = dataclasses.replace(
        first,
        source=source,
        window=SlidingWindow(size=timedelta(hours=2), slide=first.window.slide),
    )
    renamed = dataclasses.replace(second, source=source, name="boarded")
    new = DEFINITIONS.view("carrier_30d")
    text = diff_text(
        compare(
            Definitions(views=(first, second, third), services=()),
            Definitions(views=(longer, renamed, new), services=()),
        )
    )
    assert text == TEXT.format(
        longer=view_fingerprint(longer),
        renamed=view_fingerprint(renamed),
        new=view_fingerprint(new),
    )


def test_a_service_says_which_of_its_features_changed() -> None:
    (service,) = DEFINITIONS.services
    backlog = dataclasses.replace(service.on_demand[0], function=service.on_demand[1].function)
    changed = dataclasses.replace(
        service,
        on_demand=(backlog, *service.on_demand[1:]),
        features=(service.features[1], service.features[0], *service.features[2:]),
    )
    text = diff_text(compare(DEFINITIONS, dataclasses.replace(DEFINITIONS, services=(changed,))))
    assert "  changed  departure_delay.origin_backlog\n             code\n" in text
    assert "- def backlog(" in text
    assert "+ def age_minutes(" in text
    assert text.endswith(
        "  changed  departure_delay\n"
        "             features changed\n"
        "               - origin_backlog\n"
        "               + origin_backlog\n"
        "             order of features\n"
        "               - sched_hour\n"
        "               + sched_minute_of_day\n"
        "\n"
        "Something changes its meaning or is gone."
    )


@pytest.mark.parametrize(
    ("old", "new", "code", "text"),
    [
        ("one", "one", 0, "Nothing differs."),
        ("one", "renamed", 0, "renamed  origin_boardings_1h_count -> boarded_count"),
        ("one", "two", 0, "Nothing changes its meaning."),
        ("two", "one", 1, "removed  carrier_30d_count"),
        ("one", "none", 1, "Something changes its meaning or is gone."),
        ("one", "missing", 2, "samestream: definitions: got module 'missing', which cannot"),
    ],
)
def test_the_exit_code_tells_whether_a_meaning_changes(
    old: str,
    new: str,
    code: int,
    text: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, body in MODULES.items():
        (tmp_path / f"diffed_{name}.py").write_text(f"{HEAD}{ONE}{body}\n")
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.chdir(tmp_path)
    modules = [name if name == "missing" else f"diffed_{name}" for name in (old, new)]
    monkeypatch.setattr(sys, "argv", ["samestream", "diff", *modules])
    try:
        with pytest.raises(SystemExit) as caught:
            main()
    finally:
        for name in MODULES:
            sys.modules.pop(f"diffed_{name}", None)
    assert caught.value.code == code
    printed = capsys.readouterr()
    assert text in (printed.err if code == 2 else printed.out)
