"""A source for each encoding; the names of the sources come from the environment."""

import os
from datetime import timedelta

from features.aggregation import Sum
from features.definitions import Definitions
from features.entity import Entity
from features.fields import Decimal, Field, String
from features.source import Encoding, EventSource
from features.view import FeatureView
from features.window import SlidingWindow


def encoded_source(name: str, encoding: Encoding) -> EventSource:
    return EventSource(
        name=name,
        fields=(
            Field(name="shop", type=String()),
            Field(name="price", type=Decimal(precision=9, scale=2), nullable=True),
        ),
        lateness=timedelta(minutes=1),
        encoding=encoding,
    )


def encoded_definitions(*sources: EventSource) -> Definitions:
    views = (
        FeatureView(
            name=f"{source.name}_1h",
            source=source,
            entity=Entity(name="shop", join_keys=("shop",)),
            window=SlidingWindow(size=timedelta(hours=1), slide=timedelta(minutes=5)),
            aggregations=(Sum("price"),),
        )
        for source in sources
    )
    return Definitions(views=tuple(views), services=())


if names := os.environ.get("TEST_SOURCES"):
    DEFINITIONS = encoded_definitions(
        *(encoded_source(*pair.split("=")) for pair in names.split(","))  # type: ignore[arg-type]
    )
