"""The helpers with which users test their features."""

import decimal
import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from features.aggregation import Count, First, Last, Max, Mean, Min, Sum
from features.entity import Entity
from features.errors import SamestreamError
from features.examples.flights import DEFINITIONS
from features.fields import Bool, Decimal, Field, Float64, Int64, String, TimestampMs
from features.filter import Comparison, Filter, IsNull
from features.instant import to_ms
from features.source import EventSource
from features.testing import Row, SampleError, fields_read, rows_of, served
from features.view import FeatureView
from features.window import SlidingWindow
from models.testing import vector_of

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SALES = EventSource(
    name="sales",
    fields=(
        Field(name="shop", type=String(), nullable=True),
        Field(name="till", type=Int64(minimum=1, maximum=9)),
        Field(
            name="price",
            type=Decimal(precision=7, scale=2, minimum=decimal.Decimal(0)),
            nullable=True,
        ),
        Field(name="weight", type=Float64(), nullable=True),
        Field(name="card", type=Bool(), nullable=True),
        Field(name="opened", type=TimestampMs(), nullable=True),
        Field(name="clerk", type=String()),
    ),
    lateness=MINUTE,
)
BY_CARD = Filter("card", ~IsNull("price") & Comparison("card", "==", True))  # noqa: FBT003
VIEW = FeatureView(
    name="till_sales",
    source=SALES,
    entity=Entity(name="till", join_keys=("shop", "till")),
    window=SlidingWindow(size=10 * MINUTE, slide=5 * MINUTE),
    aggregations=(
        Count(),
        Sum("price", where=BY_CARD),
        Mean("price"),
        Min("weight"),
        Last("opened"),
        Max("event_time"),
    ),
)
FLIGHT = {
    "carrier": "UA",
    "flight": 1,
    "tailnum": "N1",
    "origin": "JFK",
    "dest": "BOS",
    "distance": 300,
    "sched_dep": NOON + timedelta(hours=1),
    "hour": 9,
}


def sale(at: datetime = NOON, **fields: Any) -> dict[str, Any]:
    return {"event_time": at, "shop": "a", "till": 1} | fields


def values(*numbers: object) -> dict[str, object]:
    return dict(zip((feature.name for feature in VIEW.features), numbers, strict=True))


# time        12:00     12:05     12:10     12:15
# events      1.50 at 12:00, 2.00 at 12:04
# W=12:05     [---------)                    sees both, as does W=12:10: the row holds
# W=12:15               [-------------------) empty
def test_rows_are_those_of_the_evaluator_with_instants_and_names() -> None:
    sales = [
        sale(price=decimal.Decimal("1.50"), card=True, weight=2),
        sale(NOON + 4 * MINUTE, price=decimal.Decimal("2.00"), opened=NOON),
    ]
    newest = to_ms(NOON + 4 * MINUTE)
    full = values(2, decimal.Decimal("1.50"), 1.75, 2.0, to_ms(NOON), newest)
    empty = values(0, decimal.Decimal("0.00"), None, None, None, None)
    keys = {"shop": "a", "till": 1}
    expected = [
        Row(keys=keys, window_end=NOON + 5 * MINUTE, values=full),
        Row(keys=keys, window_end=NOON + 15 * MINUTE, values=empty),
    ]
    assert rows_of(VIEW, sales) == expected
    assert rows_of(VIEW, sales, until=NOON + 10 * MINUTE) == expected[:1]
    assert rows_of(VIEW, []) == []


@pytest.mark.parametrize(
    ("after", "count"),
    [
        (timedelta(0), None),
        (6 * MINUTE - timedelta(milliseconds=1), None),  # W + lateness, less one
        (6 * MINUTE, 1),
        (16 * MINUTE - timedelta(milliseconds=1), 1),
        (16 * MINUTE, 0),  # the explicit empty row
        (timedelta(days=900), 0),  # which holds for ever
    ],
)
def test_a_request_is_served_the_newest_row_a_lateness_before_it(
    after: timedelta, count: int | None
) -> None:
    assert served(VIEW, [sale()], NOON + after, shop="a", till=1)["till_sales_count"] == count


def test_nothing_is_known_of_an_entity_never_seen_or_a_null_key() -> None:
    nulls = values(None, None, None, None, None, None)
    later = NOON + 6 * MINUTE
    assert served(VIEW, [sale()], later, shop="a", till=2) == nulls
    assert served(VIEW, [sale(shop=None)], later, shop=None, till=1) == nulls


def test_of_two_events_at_once_the_later_in_the_list_is_the_last() -> None:
    view = FeatureView(
        name="ties",
        source=SALES,
        entity=Entity(name="shop", join_keys=("shop",)),
        window=SlidingWindow(size=MINUTE, slide=MINUTE),
        aggregations=(First("weight"), Last("weight")),
    )
    sales = [{"event_time_ms": 0, "shop": "a", "weight": float(n)} for n in range(12)]
    assert list(rows_of(view, sales)[0].values.values()) == [0.0, 11.0]
    named = [{**sales[0], "event_id": "z"}, {**sales[1], "event_id": "y"}]
    assert list(rows_of(view, named)[0].values.values()) == [1.0, 0.0]


def test_a_negative_zero_becomes_zero_as_at_intake() -> None:
    lightest = rows_of(VIEW, [sale(weight=-0.0)])[0].values["till_sales_weight_min"]
    assert math.copysign(1, lightest) == 1


def test_a_field_that_the_view_does_not_read_may_be_left_out() -> None:
    assert fields_read(VIEW) == {"shop", "till", "price", "card", "weight", "opened", "event_time"}
    assert rows_of(VIEW, [sale()])  # without a clerk


@pytest.mark.parametrize(
    ("event", "message"),
    [
        ({"shop": "a"}, "event 'event-000001': got no event time; allowed is one of event_time"),
        (sale(event_time_ms=1), "got event_time and event_time_ms; allowed is one of"),
        (sale(datetime(2024, 5, 1)), "event_time: got datetime.datetime(2024, 5, 1, 0, 0); allow"),  # noqa: DTZ001
        (sale(NOON + timedelta(microseconds=1)), "allowed is an aware datetime of whole millisec"),
        (sale(datetime(1969, 1, 1, tzinfo=UTC)), "allowed is 1970 or later"),
        ({"event_time_ms": "1"}, "event_time_ms: got '1'; allowed is an aware datetime"),
        (sale(event_id=7), "got 7; allowed is text of 1 to 255 characters"),
        (sale(event_id="a\n"), "none of them below U+0020"),
        (sale(colour="red"), "got the field 'colour'; allowed are event_id, event_time or event_t"),
        ({"event_time": NOON, "shop": "a"}, "till: got no value; the field is not nullable"),
        (sale(clerk=None), "clerk: got no value; the field is not nullable"),
        (sale(till="1"), "till: got '1'; allowed is an int of 64 bits (int64)"),
        (sale(till=True), "till: got True; allowed is an int of 64 bits (int64)"),
        (sale(till=10), "source 'sales', event 'event-000001', till: got 10; allowed is 1 to 9"),
        (sale(price=1.5), "price: got 1.5; allowed is a decimal.Decimal"),
        (sale(price=decimal.Decimal("0.001")), "with no more digits than the field (decimal)"),
        (sale(price=decimal.Decimal(-1)), "allowed is 0.00 to 99999.99"),
        (sale(weight=math.nan), "weight: got nan; allowed is a finite number"),
        (sale(card=1), "card: got 1; allowed is True or False (bool)"),
        (sale(shop=1), "shop: got 1; allowed is text (string)"),
        (sale(opened="noon"), "opened: got 'noon'; allowed is an aware datetime of whole"),
    ],
)
def test_an_event_that_intake_would_refuse_is_an_error(event: dict[str, Any], message: str) -> None:
    with pytest.raises(SampleError) as caught:
        rows_of(VIEW, [event])
    assert message in str(caught.value)
    assert isinstance(caught.value, SamestreamError)
    assert isinstance(caught.value, ValueError)


def test_the_same_event_twice_is_an_error() -> None:
    with pytest.raises(SampleError, match="got the event_id 'x' twice; allowed is each once"):
        rows_of(VIEW, [sale(event_id="x"), sale(event_id="x")])


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"shop": "a"}, r"view 'till_sales': got the keys \['shop'\]; allowed are \['shop', 't"),
        ({"shop": "a", "till": 1, "x": 1}, "got the keys"),
        ({"shop": "a", "till": "1"}, "view 'till_sales', till: got '1'; allowed is an int"),
    ],
)
def test_keys_are_checked(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(SampleError, match=message):
        served(VIEW, [], NOON, **keys)


def test_a_service_gives_the_vector_by_name() -> None:
    service = DEFINITIONS.service("departure_delay")
    boardings = [{**FLIGHT, "event_time": NOON - timedelta(hours=2)}]
    departures = [{**FLIGHT, "event_time": NOON - timedelta(hours=5), "dep_delay": 7, "late": True}]
    for event in departures:
        del event["distance"]
    vector = vector_of(
        service,
        {**FLIGHT, "event_time": NOON},
        {"boardings": boardings, "departures": departures},
    )
    assert list(vector) == list(service.features)
    assert vector["origin"] == "JFK"
    assert vector["distance"] == 300.0
    assert vector["origin_boardings_4h_count"] == 1.0
    assert vector["tail_departures_24h_dep_delay_last"] == 7.0
    assert vector["tail_departure_age_minutes"] == 300.0
    assert vector["tail_arrival_age_minutes"] is None
    assert vector["origin_backlog"] == 1.0


@pytest.mark.parametrize(
    ("request_change", "events", "message"),
    [
        ({"hour": 24}, {}, "event 'request', hour: got 24; allowed is 0 to 23"),
        ({"carrier": None}, {}, "carrier: got no value; the field is not nullable"),
        ({}, {"landings": []}, r"got events of \['landings'\]; allowed are \['arrivals', 'boardi"),
    ],
)
def test_a_bad_request_to_a_service_is_an_error(
    request_change: dict[str, Any], events: dict[str, list[Any]], message: str
) -> None:
    request = {**FLIGHT, "event_time": NOON, **request_change}
    with pytest.raises(SampleError, match=message):
        vector_of(DEFINITIONS.service("departure_delay"), request, events)
