"""Definitions with a feature of every type, for tests of what the stores make of extreme values."""

from datetime import timedelta

import numpy as np
import numpy.typing as npt

from features.aggregation import Count, First, Last, Max, Min, Sum
from features.definitions import Definitions
from features.entity import Entity
from features.fields import Bool, Decimal, Field, Float64, Int64, String, TimestampMs
from features.on_demand import OnDemandFeature
from features.service import FeatureService, Label
from features.source import EventSource
from features.view import FeatureView
from features.window import SlidingWindow

FIELDS = (
    Field(name="place", type=String(), nullable=True),
    Field(name="number", type=Int64(), nullable=True),
    Field(name="share", type=Decimal(precision=38, scale=38), nullable=True),
    Field(name="price", type=Decimal(precision=38, scale=19), nullable=True),
    Field(name="fee", type=Decimal(precision=9, scale=2), nullable=True),
    Field(name="ratio", type=Float64(), nullable=True),
    Field(name="open", type=Bool(), nullable=True),
    Field(name="seen", type=TimestampMs(), nullable=True),
    Field(name="note", type=String(), nullable=True),
)
readings = EventSource(name="value_readings", fields=FIELDS, lateness=timedelta(minutes=1))
requests = EventSource(name="value_requests", fields=FIELDS, lateness=timedelta(minutes=1))

place = FeatureView(
    name="place",
    source=readings,
    entity=Entity(name="place", join_keys=("place", "number")),
    window=SlidingWindow(size=timedelta(seconds=60), slide=timedelta(seconds=10)),
    aggregations=(
        Count(),
        Sum("number"),
        Last("number"),
        Min("share"),
        Max("price"),
        Sum("fee"),
        Min("ratio"),
        Max("ratio"),
        First("open"),
        Max("seen"),
        Last("note"),
    ),
)


def itself(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the input, to see what functions get."""
    return values


values = FeatureService(
    name="values",
    request=requests,
    views=(place,),
    on_demand=(
        OnDemandFeature(name="same_price", inputs=("price",), function=itself),
        OnDemandFeature(name="same_share", inputs=("place_share_min",), function=itself),
        OnDemandFeature(name="same_sum", inputs=("place_number_sum",), function=itself),
    ),
    features=(
        "number",
        "price",
        "ratio",
        *(feature.name for feature in place.features),
        "same_price",
        "same_share",
        "same_sum",
    ),
    label=Label(source=readings, column="open"),
)

DEFINITIONS = Definitions(views=(place,), services=(values,))
