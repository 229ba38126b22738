"""The fingerprint changes with everything that determines values, and with nothing else."""

import dataclasses
from datetime import timedelta

import pytest

from features.aggregation import Count, Last, Mean, Sum
from features.examples.flights import DEFINITIONS
from features.examples.flights.definitions import departure_delay, departures
from features.fields import Field, Int64
from features.fingerprint import service_fingerprint, view_fingerprint
from features.on_demand import OnDemandFeature
from features.window import SlidingWindow

VIEW = DEFINITIONS.view("origin_departures_3h")

CHANGES = {
    "window": {"window": SlidingWindow(size=timedelta(hours=3), slide=timedelta(minutes=10))},
    "lateness": {"source": dataclasses.replace(departures, lateness=timedelta(minutes=2))},
    "entity": {"entity": DEFINITIONS.view("dest_departures_3h").entity},
    "aggregation": {"aggregations": (Count(), Mean("dep_delay"), Mean("late"))},
    "order": {"aggregations": (Count(), Sum("late"), Mean("dep_delay"))},
    "column": {"aggregations": (Count(), Mean("hour"), Sum("late"))},
    "source": {"source": dataclasses.replace(departures, name="takeoffs")},
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_view_fingerprint_changes_with_its_meaning(change: dict[str, object]) -> None:
    changed = dataclasses.replace(VIEW, **change)  # type: ignore[arg-type]
    assert view_fingerprint(changed) != view_fingerprint(VIEW)


def test_a_view_fingerprint_does_not_change_with_what_has_no_effect_on_values() -> None:
    more = dataclasses.replace(
        departures,
        max_clock_skew=timedelta(seconds=5),
        fields=(*departures.fields, Field(name="gate", type=Int64())),
    )
    assert view_fingerprint(dataclasses.replace(VIEW, source=more)) == view_fingerprint(VIEW)
    assert view_fingerprint(dataclasses.replace(VIEW, name="renamed")) == view_fingerprint(VIEW)


def test_every_view_of_the_example_has_a_fingerprint_of_its_own() -> None:
    prints = {view_fingerprint(view) for view in DEFINITIONS.views}
    assert len(prints) == len(DEFINITIONS.views)


def _twice(x: float) -> float:
    return 2 * x


def test_a_service_fingerprint_changes_with_order_and_with_the_code_on_demand() -> None:
    reversed_ = dataclasses.replace(
        departure_delay, features=tuple(reversed(departure_delay.features))
    )
    first = dataclasses.replace(departure_delay.on_demand[3], function=_twice)
    recoded = dataclasses.replace(
        departure_delay,
        on_demand=(*departure_delay.on_demand[:3], first, *departure_delay.on_demand[4:]),
    )
    prints = {service_fingerprint(item) for item in (departure_delay, reversed_, recoded)}
    assert len(prints) == 3
    assert isinstance(first, OnDemandFeature)


def test_last_over_another_column_is_another_definition() -> None:
    one = dataclasses.replace(VIEW, aggregations=(Last("dep_delay"),))
    two = dataclasses.replace(VIEW, aggregations=(Last("hour"),))
    assert view_fingerprint(one) != view_fingerprint(two)
