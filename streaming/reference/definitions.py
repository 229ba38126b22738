"""The definitions of the flights example, and views that only count what cannot be derived.

The sums behind a mean are recovered from mean and count. The views of the last delay of an
aircraft have no mean: beside each stands one with the sums of the same windows.
"""

from dataclasses import replace

from features.aggregation import Sum
from features.definitions import Definitions
from features.examples.flights.definitions import DEFINITIONS as FLIGHTS
from features.examples.flights.definitions import departure_delay

VIEWS = FLIGHTS.views
LAST_DELAYS = {"tail_departures_24h": "dep_delay", "tail_arrivals_24h": "arr_delay"}
SUM_VIEWS = tuple(
    replace(FLIGHTS.view(name), name=f"{name}_sums", aggregations=(Sum(delay), Sum("late")))
    for name, delay in LAST_DELAYS.items()
)

# Everything at once, so that Feast is asked once for each request.
reference = replace(
    departure_delay,
    name="reference",
    views=VIEWS + SUM_VIEWS,
    features=tuple(
        dict.fromkeys(
            (
                *departure_delay.features,
                *(feature.name for view in VIEWS + SUM_VIEWS for feature in view.features),
            )
        )
    ),
)

DEFINITIONS = Definitions(views=VIEWS + SUM_VIEWS, services=(departure_delay, reference))
