"""What the features of the flights example say, as statements about a few flights."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from features.examples.flights import DEFINITIONS
from features.instant import to_ms
from features.testing import rows_of, served
from models.testing import vector_of

NOON = datetime(2013, 7, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
SERVICE = DEFINITIONS.service("departure_delay")


def departure(at: datetime, dep_delay: int, **fields: Any) -> dict[str, Any]:
    """A departure of N1, a UA flight from JFK to BOS."""
    flight = {"carrier": "UA", "flight": 1, "tailnum": "N1", "origin": "JFK", "dest": "BOS"}
    values = {"dep_delay": dep_delay, "late": dep_delay > 15, "hour": 8}
    return {"event_time": at, **flight, **values, **fields}


def request(**fields: Any) -> dict[str, Any]:
    """The boarding of N1 to BOS at noon (UTC), one hour before its schedule."""
    flight = {"carrier": "UA", "flight": 1, "tailnum": "N1", "origin": "JFK", "dest": "BOS"}
    schedule = {"distance": 187, "sched_dep": NOON + HOUR, "hour": 9}
    return {"event_time": NOON, **flight, **schedule, **fields}


def test_a_delay_counts_for_its_airport_for_three_hours() -> None:
    view = DEFINITIONS.view("origin_departures_3h")
    events = [departure(NOON, 40), departure(NOON + 7 * MINUTE, -10)]
    rows = [(row.window_end - NOON, *row.values.values()) for row in rows_of(view, events)]
    assert rows == [
        (5 * MINUTE, 1, 40.0, 1),
        (10 * MINUTE, 2, 15.0, 1),
        (3 * HOUR + 5 * MINUTE, 1, -10.0, 0),
        (3 * HOUR + 10 * MINUTE, 0, None, 0),
    ]


def test_airports_do_not_share_delays() -> None:
    view = DEFINITIONS.view("origin_departures_3h")
    events = [departure(NOON, 40), departure(NOON, 0, origin="EWR")]
    means = {
        origin: served(view, events, NOON + HOUR, origin=origin)[f"{view.name}_dep_delay_mean"]
        for origin in ("JFK", "EWR", "LGA")
    }
    assert means == {"JFK": 40.0, "EWR": 0.0, "LGA": None}


@pytest.mark.parametrize(
    ("after", "delay"),
    [(10 * MINUTE, 90), (16 * MINUTE, 25), (24 * HOUR, 25), (24 * HOUR + 16 * MINUTE, None)],
)
def test_an_aircraft_remembers_its_last_delay_for_a_day(
    after: timedelta, delay: int | None
) -> None:
    view = DEFINITIONS.view("tail_departures_24h")
    events = [departure(NOON, 25), departure(NOON - HOUR, 90)]
    last = served(view, events, NOON + after, tailnum="N1")
    assert last["tail_departures_24h_dep_delay_last"] == delay


def test_a_departure_tells_when_it_was() -> None:
    view = DEFINITIONS.view("tail_departures_24h")
    last = served(view, [departure(NOON, 25)], NOON + HOUR, tailnum="N1")
    assert last["tail_departures_24h_event_time_last"] == to_ms(NOON)


def test_the_month_changes_at_midnight_only() -> None:
    view = DEFINITIONS.view("carrier_30d")
    ends = [row.window_end for row in rows_of(view, [departure(NOON, 5), departure(NOON, 7)])]
    midnight = datetime(2013, 7, 2, tzinfo=UTC)
    assert ends == [midnight, midnight + timedelta(days=30)]


def test_flights_that_boarded_and_did_not_leave_are_the_backlog() -> None:
    boardings = [request(event_time=NOON - timedelta(hours=hours)) for hours in (2, 3)]
    departures = [departure(NOON - HOUR, 0)]
    vector = vector_of(SERVICE, request(), {"boardings": boardings, "departures": departures})
    assert vector["origin_backlog"] == 1.0


def test_what_happened_in_the_last_minutes_is_not_known_yet() -> None:
    # At noon the newest window is the one that ended five minutes ago: W <= t - 1 min.
    departures = [departure(NOON - minutes * MINUTE, 0) for minutes in (4, 6)]
    events = {"departures": departures, "boardings": [request()]}
    vector = vector_of(SERVICE, request(), events)
    assert vector["origin_departures_1h_count"] == 1.0
    assert vector["origin_boardings_1h_count"] is None  # the request itself


def test_an_unknown_aircraft_has_no_history() -> None:
    events = {"departures": [departure(NOON - HOUR, 30, tailnum=None)]}
    vector = vector_of(SERVICE, request(tailnum=None), events)
    assert vector["tail_30d_count"] is None
    assert vector["tail_departures_24h_count"] is None
    assert vector["tail_departure_age_minutes"] is None
    assert vector["origin_departures_3h_count"] == 1.0


@pytest.mark.parametrize(
    ("scheduled", "hour", "expected"),
    [
        (datetime(2013, 7, 1, 13, 30, tzinfo=UTC), 9, (9.0, 570.0, 0.0)),  # summer, Monday
        (datetime(2013, 12, 2, 13, 30, tzinfo=UTC), 8, (8.0, 510.0, 0.0)),  # winter, Monday
        (datetime(2013, 7, 2, 3, 5, tzinfo=UTC), 23, (23.0, 1_385.0, 0.0)),  # Tuesday in UTC
    ],
)
def test_the_schedule_is_told_on_the_clock_of_new_york(
    scheduled: datetime, hour: int, expected: tuple[float, ...]
) -> None:
    asked = request(event_time=scheduled - HOUR, sched_dep=scheduled, hour=hour)
    vector = vector_of(SERVICE, asked, {})
    names = ("sched_hour", "sched_minute_of_day", "sched_weekday")
    assert tuple(vector[name] for name in names) == expected
