"""Definitions over the source of a rig, as narrow as a test wants them."""

from dataclasses import replace
from datetime import timedelta

from intake_worker import SLIDE_MS, intake_source

from features.aggregation import Aggregation, Count, Max, Sum
from features.definitions import Definitions
from features.entity import Entity
from features.fields import Bool, Field, Int64, String
from features.filter import Comparison, Filter
from features.service import FeatureService, Label
from features.source import EventSource
from features.view import FeatureView
from features.window import SlidingWindow

_BIG = Filter("big", Comparison("amount", ">=", 100))


def quarantine_definitions(name: str, largest_amount: int) -> Definitions:
    declared = intake_source(name)
    amount = Field(name="amount", type=Int64(minimum=0, maximum=largest_amount))
    item, _, weight = declared.fields
    source = replace(declared, fields=(item, amount, weight))

    def view(word: str, *aggregations: Aggregation) -> FeatureView:
        return FeatureView(
            name=f"{name}_{word}",
            source=source,
            entity=Entity(name="item", join_keys=("item",)),
            window=SlidingWindow(
                size=timedelta(milliseconds=2 * SLIDE_MS), slide=timedelta(milliseconds=SLIDE_MS)
            ),
            aggregations=aggregations,
        )

    counted = view("counted", Count(), Sum("amount", where=_BIG))
    views = (counted, view("big", Sum("amount", where=_BIG)), view("heavy", Max("weight")))
    asked = EventSource(
        name=f"{name}_asked",
        fields=(Field(name="item", type=String()), Field(name="sold", type=Bool())),
        lateness=declared.lateness,
        max_clock_skew=declared.max_clock_skew,
    )
    offer = FeatureService(
        name=f"{name}_offer",
        request=asked,
        views=views,
        on_demand=(),
        features=tuple(feature.name for view in views for feature in view.features),
        label=Label(source=asked, column="sold"),
    )
    return Definitions(views=views, services=(offer,))
