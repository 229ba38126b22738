"""A whole small system: one source, two views with short slides, one service."""

from datetime import timedelta

from features.aggregation import Count, Last, Sum
from features.definitions import Definitions
from features.entity import Entity
from features.fields import Bool, Field, Int64, String
from features.service import FeatureService, Label
from features.source import EventSource
from features.view import FeatureView
from features.window import SlidingWindow

taps = EventSource(
    name="taps",
    fields=(
        Field(name="stop", type=String()),
        Field(name="fare", type=Int64(minimum=0, maximum=99), nullable=True),
        Field(name="paid", type=Bool()),
    ),
    lateness=timedelta(seconds=5),
    max_clock_skew=timedelta(seconds=1),
    encoding="confluent",
)
by_stop = Entity(name="stop", join_keys=("stop",))
# Long windows: what was there before a kill is still in them after it.
stop_1h = FeatureView(
    name="stop_1h",
    source=taps,
    entity=by_stop,
    window=SlidingWindow(size=timedelta(hours=1), slide=timedelta(seconds=1)),
    aggregations=(Count(), Sum("fare")),
)
stop_1d = FeatureView(
    name="stop_1d",
    source=taps,
    entity=by_stop,
    window=SlidingWindow(size=timedelta(days=1), slide=timedelta(seconds=2)),
    aggregations=(Last("fare"),),
)
fraud = FeatureService(
    name="fraud",
    request=taps,
    views=(stop_1h, stop_1d),
    on_demand=(),
    features=("stop_1h_count", "stop_1h_fare_sum", "stop_1d_fare_last"),
    label=Label(source=taps, column="paid"),
)

DEFINITIONS = Definitions(views=(stop_1h, stop_1d), services=(fraud,))
