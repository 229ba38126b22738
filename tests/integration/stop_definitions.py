"""Definitions with every kind of key and value, for tests of the stores."""

from datetime import timedelta

import numpy as np
import numpy.typing as npt

from features.aggregation import Aggregation, Count, Last, Mean, Sum
from features.definitions import Definitions
from features.entity import Entity
from features.fields import Bool, Field, Int64, String, TimestampMs
from features.on_demand import OnDemandFeature
from features.service import FeatureService, Label
from features.source import EventSource
from features.view import FeatureView
from features.window import SlidingWindow

FIELDS = (
    Field(name="stop", type=String(), nullable=True),
    Field(name="line", type=Int64(), nullable=True),
    Field(name="day", type=TimestampMs()),
    Field(name="fare", type=Int64(minimum=-99, maximum=99), nullable=True),
    Field(name="note", type=String(), nullable=True),
    Field(name="paid", type=Bool(), nullable=True),
)
taps = EventSource(
    name="store_taps",
    fields=FIELDS,
    lateness=timedelta(seconds=3),
    max_clock_skew=timedelta(seconds=1),
)
requests = EventSource(
    name="store_requests",
    fields=FIELDS,
    lateness=timedelta(seconds=3),
    max_clock_skew=timedelta(seconds=1),
)
WINDOW = SlidingWindow(size=timedelta(seconds=60), slide=timedelta(seconds=10))


def _view(name: str, keys: tuple[str, ...], *aggregations: Aggregation) -> FeatureView:
    return FeatureView(
        name=name,
        source=taps,
        entity=Entity(name=name, join_keys=keys),
        window=WINDOW,
        aggregations=(Count(), *aggregations),
    )


stop = _view("by_stop", ("stop",), Mean("fare"), Sum("paid"))
stop_line = _view("by_stop_line", ("stop", "line"), Last("note"), Last("paid"), Last("fare"))
day = _view("by_day", ("day",), Last("event_time"))


def twice(count: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Double a count."""
    return count * 2.0


def line_of_known(
    line: npt.NDArray[np.float64], note: npt.NDArray[np.object_], own: npt.NDArray[np.object_]
) -> npt.NDArray[np.float64]:
    """Take the line where the last note or the request's own note is known."""
    known = np.array([a is not None or b is not None for a, b in zip(note, own, strict=True)])
    return np.where(known, line, np.nan)


def age(now_ms: npt.NDArray[np.float64], last_ms: npt.NDArray[np.float64]) -> object:
    """Milliseconds since the last event."""
    return now_ms - last_ms


fraud = FeatureService(
    name="fraud",
    request=requests,
    views=(stop, stop_line, day),
    on_demand=(
        OnDemandFeature(name="twice_count", inputs=("by_stop_count",), function=twice),
        OnDemandFeature(
            name="known_line",
            inputs=("line", "by_stop_line_note_last", "note"),
            function=line_of_known,
        ),
        OnDemandFeature(
            name="tap_age", inputs=("event_time_ms", "by_day_event_time_last"), function=age
        ),
        OnDemandFeature(name="fourfold_count", inputs=("twice_count",), function=twice),
    ),
    features=(
        "fare",
        "stop",
        *(feature.name for view in (stop, stop_line, day) for feature in view.features),
        "twice_count",
        "known_line",
        "tap_age",
        "fourfold_count",
    ),
    label=Label(source=taps, column="paid"),
)

DEFINITIONS = Definitions(views=(stop, stop_line, day), services=(fraud,))
