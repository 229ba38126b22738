"""Sources, feature views and the feature service of the flights example."""

from datetime import timedelta

from features.aggregation import Aggregation, Count, Last, Mean, Sum
from features.definitions import Definitions
from features.entity import Entity
from features.examples.flights import request_time
from features.fields import Bool, Field, Int64, String, TimestampMs
from features.on_demand import OnDemandFeature
from features.service import FeatureService, Label
from features.source import EventSource
from features.view import FeatureView
from features.window import SlidingWindow

_LATENESS = timedelta(minutes=1)
_DELAY = Int64(minimum=-1_440, maximum=10_000)

_ROUTE_FIELDS = (
    Field(name="carrier", type=String()),
    Field(name="flight", type=Int64(minimum=0, maximum=99_999)),
    Field(name="tailnum", type=String(), nullable=True),
    Field(name="origin", type=String()),
    Field(name="dest", type=String()),
)
_HOUR = Field(name="hour", type=Int64(minimum=0, maximum=23))
_SCHEDULED = Field(name="sched_dep", type=TimestampMs())

boardings = EventSource(
    name="boardings",
    fields=(
        *_ROUTE_FIELDS,
        Field(name="distance", type=Int64(minimum=0, maximum=20_000)),
        _SCHEDULED,
        _HOUR,
    ),
    lateness=_LATENESS,
)
departures = EventSource(
    name="departures",
    fields=(
        *_ROUTE_FIELDS,
        _SCHEDULED,
        Field(name="dep_delay", type=_DELAY),
        Field(name="late", type=Bool()),
        _HOUR,
    ),
    lateness=_LATENESS,
)
arrivals = EventSource(
    name="arrivals",
    fields=(
        *_ROUTE_FIELDS,
        Field(name="arr_delay", type=_DELAY),
        Field(name="late", type=Bool()),
        Field(name="air_time", type=Int64(minimum=0, maximum=10_000), nullable=True),
    ),
    lateness=_LATENESS,
)

_carrier = Entity(name="carrier", join_keys=("carrier",))
_origin = Entity(name="origin", join_keys=("origin",))
_dest = Entity(name="dest", join_keys=("dest",))
_tail = Entity(name="tail", join_keys=("tailnum",))
_route = Entity(name="route", join_keys=("origin", "dest"))
_origin_hour = Entity(name="origin_hour", join_keys=("origin", "hour"))
_flight = Entity(name="flight", join_keys=("carrier", "flight"))
_carrier_origin = Entity(name="carrier_origin", join_keys=("carrier", "origin"))

_MONTH = SlidingWindow(size=timedelta(days=30), slide=timedelta(days=1))
_DAY = SlidingWindow(size=timedelta(hours=24), slide=timedelta(minutes=15))


def _hours(size: int) -> SlidingWindow:
    return SlidingWindow(size=timedelta(hours=size), slide=timedelta(minutes=5))


def _view(
    name: str,
    source: EventSource,
    entity: Entity,
    window: SlidingWindow,
    *aggregations: Aggregation,
) -> FeatureView:
    return FeatureView(
        name=name,
        source=source,
        entity=entity,
        window=window,
        aggregations=(Count(), *aggregations),
    )


_RATES = (Mean("dep_delay"), Mean("late"))
_DELAYS = (Mean("dep_delay"), Sum("late"))

DAILY_VIEWS = (
    _view("carrier_30d", departures, _carrier, _MONTH, *_RATES),
    _view("route_30d", departures, _route, _MONTH, *_RATES),
    _view("tail_30d", departures, _tail, _MONTH, *_RATES),
    _view("origin_hour_30d", departures, _origin_hour, _MONTH, *_RATES),
    _view("flight_30d", departures, _flight, _MONTH, *_RATES),
)
STREAMING_VIEWS = (
    _view("origin_departures_1h", departures, _origin, _hours(1), *_DELAYS),
    _view("origin_departures_3h", departures, _origin, _hours(3), *_DELAYS),
    _view("carrier_departures_3h", departures, _carrier, _hours(3), *_DELAYS),
    _view("carrier_origin_departures_3h", departures, _carrier_origin, _hours(3), *_DELAYS),
    _view("dest_departures_3h", departures, _dest, _hours(3), *_DELAYS),
    _view("dest_arrivals_3h", arrivals, _dest, _hours(3), Mean("arr_delay"), Sum("late")),
    _view("origin_boardings_1h", boardings, _origin, _hours(1)),
    _view("origin_boardings_4h", boardings, _origin, _hours(4)),
    _view("tail_departures_24h", departures, _tail, _DAY, Last("dep_delay"), Last("event_time")),
    _view("tail_arrivals_24h", arrivals, _tail, _DAY, Last("arr_delay"), Last("event_time")),
)

_ON_DEMAND = (
    OnDemandFeature(
        name="origin_backlog",
        inputs=(
            "origin_boardings_4h_count",
            "origin_boardings_1h_count",
            "origin_departures_3h_count",
        ),
        function=request_time.backlog,
    ),
    OnDemandFeature(
        name="tail_departure_age_minutes",
        inputs=("event_time_ms", "tail_departures_24h_event_time_last"),
        function=request_time.age_minutes,
    ),
    OnDemandFeature(
        name="tail_arrival_age_minutes",
        inputs=("event_time_ms", "tail_arrivals_24h_event_time_last"),
        function=request_time.age_minutes,
    ),
    OnDemandFeature(name="sched_hour", inputs=("hour",), function=request_time.local_hour),
    OnDemandFeature(
        name="sched_minute_of_day",
        inputs=("sched_dep", "hour"),
        function=request_time.local_minute_of_day,
    ),
    OnDemandFeature(
        name="sched_weekday", inputs=("sched_dep", "hour"), function=request_time.local_weekday
    ),
)

ON_DEMAND_FEATURES = (
    "sched_hour",
    "sched_minute_of_day",
    "sched_weekday",
    "distance",
    "carrier",
    "origin",
    "dest",
)
BATCH_FEATURES = tuple(feature.name for view in DAILY_VIEWS for feature in view.features)
STREAMING_FEATURES = (
    *(
        feature.name
        for view in STREAMING_VIEWS
        for feature in view.features
        if not feature.name.endswith("event_time_last")
    ),
    "origin_backlog",
    "tail_departure_age_minutes",
    "tail_arrival_age_minutes",
)

departure_delay = FeatureService(
    name="departure_delay",
    request=boardings,
    views=DAILY_VIEWS + STREAMING_VIEWS,
    on_demand=_ON_DEMAND,
    features=ON_DEMAND_FEATURES + BATCH_FEATURES + STREAMING_FEATURES,
    label=Label(source=departures, column="late"),
)

DEFINITIONS = Definitions(views=DAILY_VIEWS + STREAMING_VIEWS, services=(departure_delay,))
