"""Two views on one entity, which share a hash of Feast's online store."""

from datetime import timedelta

from features.aggregation import Count, Last
from features.definitions import Definitions
from features.entity import Entity
from features.fields import Bool, Field, Int64, String
from features.service import FeatureService, Label
from features.source import EventSource
from features.view import FeatureView
from features.window import SlidingWindow

sales = EventSource(
    name="pair_sales",
    fields=(
        Field(name="item", type=Int64()),
        Field(name="buyer", type=String()),
        Field(name="returned", type=Bool()),
    ),
    lateness=timedelta(minutes=1),
)


def _view(name: str, hours: int) -> FeatureView:
    return FeatureView(
        name=name,
        source=sales,
        entity=Entity(name="pair_item", join_keys=("item",)),
        window=SlidingWindow(size=timedelta(hours=hours), slide=timedelta(minutes=5)),
        aggregations=(Count(), Last("buyer")),
    )


short, long = _view("pair_short", 1), _view("pair_long", 9)
service = FeatureService(
    name="pair_returns",
    request=sales,
    views=(short, long),
    on_demand=(),
    features=("pair_short_count", "pair_long_buyer_last", "pair_long_count"),
    label=Label(source=sales, column="returned"),
)

DEFINITIONS = Definitions(views=(short, long), services=(service,))
