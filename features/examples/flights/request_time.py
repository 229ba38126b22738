"""On-demand features of the flights example: pure functions of float64 arrays of shape (n,)."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_MINUTE_MS = 60_000.0
_HOUR_MS = 3_600_000.0
_DAY_MS = 86_400_000.0
_EPOCH_WEEKDAY = 3.0  # 1 January 1970 was a Thursday; Monday is 0


def backlog(boardings_4h: Floats, boardings_1h: Floats, departures_3h: Floats) -> Floats:
    """Flights that should have left in the last three hours, less those that did."""
    return boardings_4h - boardings_1h - departures_3h


def age_minutes(request_time_ms: Floats, last_event_time_ms: Floats) -> Floats:
    """Minutes from the last event to the request; NaN where there was none."""
    return (request_time_ms - last_event_time_ms) / _MINUTE_MS


def local_hour(hour: Floats) -> Floats:
    """Hour of the schedule on the clock of New York."""
    return hour


def local_minute_of_day(sched_dep_ms: Floats, hour: Floats) -> Floats:
    """Minute of the day of the schedule on the clock of New York (whole-hour offsets)."""
    minutes: Floats = hour * 60.0 + np.floor(np.mod(sched_dep_ms, _HOUR_MS) / _MINUTE_MS)
    return minutes


def local_weekday(sched_dep_ms: Floats, hour: Floats) -> Floats:
    """Weekday of the schedule in New York, Monday 0; New York is behind UTC by 4 or 5 hours."""
    utc_hour = np.floor(np.mod(sched_dep_ms, _DAY_MS) / _HOUR_MS)
    behind_ms = np.mod(utc_hour - hour, 24.0) * _HOUR_MS
    weekday: Floats = np.mod(np.floor((sched_dep_ms - behind_ms) / _DAY_MS) + _EPOCH_WEEKDAY, 7.0)
    return weekday
