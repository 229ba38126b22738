"""A source of its own for every test, and its intake as a process: NAME BOOTSTRAP CLOCK."""

import sys
from datetime import timedelta
from typing import Literal

from features.aggregation import Count
from features.definitions import Definitions
from features.entity import Entity
from features.fields import Field, Float64, Int64, String
from features.source import EventSource
from features.view import FeatureView
from features.window import SlidingWindow
from streaming.intake.process import run_intake
from streaming.settings import Settings

PARTITIONS = 2
LATENESS_MS = 1_000
SLIDE_MS = 200


def intake_source(name: str) -> EventSource:
    return EventSource(
        name=name,
        fields=(
            Field(name="item", type=String()),
            Field(name="amount", type=Int64(minimum=0, maximum=1_000)),
            Field(name="weight", type=Float64(), nullable=True),
        ),
        lateness=timedelta(milliseconds=LATENESS_MS),
        max_clock_skew=timedelta(milliseconds=500),
    )


def intake_definitions(source: EventSource) -> Definitions:
    view = FeatureView(
        name=f"{source.name}_view",
        source=source,
        entity=Entity(name="item", join_keys=("item",)),
        window=SlidingWindow(
            size=timedelta(milliseconds=2 * SLIDE_MS), slide=timedelta(milliseconds=SLIDE_MS)
        ),
        aggregations=(Count(),),
    )
    return Definitions(views=(view,), services=())


def intake_settings(bootstrap_servers: str, clock: Literal["wall", "replay"]) -> Settings:
    return Settings(bootstrap_servers=bootstrap_servers, partitions=PARTITIONS, clock=clock)


if __name__ == "__main__":
    _, name, bootstrap_servers, clock = sys.argv
    run_intake(
        intake_settings(bootstrap_servers, clock),  # type: ignore[arg-type]
        intake_definitions(intake_source(name)),
        name,
    )
