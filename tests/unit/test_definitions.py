"""A bad definition fails while it is imported, with what, got and allowed."""

import decimal
import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from features.aggregation import (
    Aggregation,
    Count,
    CountDistinct,
    First,
    Last,
    Max,
    Mean,
    Min,
    StdDev,
    Sum,
)
from features.definitions import Definitions, load_definitions
from features.entity import Entity
from features.errors import DefinitionError, SamestreamError
from features.fields import Bool, Decimal, Field, Float64, Int64, String
from features.filter import And, Comparison, Condition, Filter, IsNull, Not
from features.instant import duration_ms, from_ms, to_ms
from features.on_demand import OnDemandFeature
from features.service import FeatureService, Label
from features.source import EventSource
from features.view import FeatureView
from features.window import SlidingWindow

MINUTE = timedelta(minutes=1)
FIELDS = (
    Field(name="shop", type=String()),
    Field(name="amount", type=Int64(minimum=0, maximum=10_000)),
    Field(name="wide", type=Int64()),
    Field(name="weight", type=Float64()),
    Field(name="refunded", type=Bool()),
    Field(name="price", type=Decimal(precision=9, scale=2)),
    Field(name="huge", type=Decimal(precision=38)),
    Field(name="fine", type=Decimal(precision=24, scale=23)),
)


def source(
    name: str = "sales",
    fields: tuple[Field, ...] = FIELDS,
    lateness: timedelta = MINUTE,
    max_clock_skew: timedelta = timedelta(seconds=1),
) -> EventSource:
    return EventSource(name=name, fields=fields, lateness=lateness, max_clock_skew=max_clock_skew)


def view(
    *aggregations: Aggregation, name: str = "shop_sales", keys: tuple[str, ...] = ("shop",)
) -> FeatureView:
    return FeatureView(
        name=name,
        source=source(),
        entity=Entity(name="shop", join_keys=keys),
        window=SlidingWindow(size=3 * MINUTE, slide=MINUTE),
        aggregations=aggregations,
    )


def filtered(condition: Condition) -> FeatureView:
    return view(Count(where=Filter("some", condition)))


def service(
    *features: str,
    views: tuple[FeatureView, ...] = (),
    on_demand: tuple[OnDemandFeature, ...] = (),
    label: str = "refunded",
    **policies: Any,
) -> FeatureService:
    return FeatureService(
        name="refunds",
        request=source(),
        views=views or (view(Count()),),
        on_demand=on_demand,
        features=features,
        label=Label(source=source(), column=label),
        **policies,
    )


def double(name: str, *inputs: str) -> OnDemandFeature:
    return OnDemandFeature(name=name, inputs=inputs, function=lambda x: 2 * x)


ANY = Comparison("shop", "!=", "")

BAD: list[tuple[Callable[[], object], str]] = [
    (lambda: Field(name="Shop", type=String()), "got the name 'Shop'; allowed are lower case"),
    (lambda: Field(name="a__b", type=String()), "single underscores"),
    (lambda: Field(name="x" * 64, type=String()), "at most 63 characters"),
    (lambda: Field(name="x", type="string"), "got type 'string'; allowed is"),  # type: ignore[arg-type]
    (lambda: Int64(minimum=2, maximum=1), "minimum <= maximum"),
    (lambda: source(name="sales.raw"), "got the name 'sales.raw'"),
    (lambda: source(fields=(FIELDS[0], FIELDS[0])), "field name 'shop' twice"),
    (lambda: source(fields=(Field(name="event_id", type=String()),)), "'event_id' is reserved"),
    (lambda: source(lateness=timedelta(0)), "allowed is at least 1 ms"),
    (lambda: source(max_clock_skew=MINUTE), "less than the lateness 0:01:00"),
    (lambda: source(max_clock_skew=timedelta(0)), "more than 0"),
    (lambda: source(lateness=timedelta(microseconds=1500)), "whole milliseconds"),
    (lambda: SlidingWindow(size=3 * MINUTE, slide=2 * MINUTE), "slide must divide the size"),
    (lambda: SlidingWindow(size=MINUTE, slide=timedelta(0)), "must be at least 1 ms"),
    (lambda: Entity(name="shop", join_keys=()), "at least one, each once"),
    (lambda: Entity(name="shop", join_keys=("shop", "shop")), "at least one, each once"),
    (lambda: view(Sum("cost")), "got column 'cost'; allowed are shop, amount"),
    (lambda: view(Count(), keys=("till",)), "got column 'till'"),
    (lambda: view(Count(), keys=("weight",)), "'weight': got type float64; allowed are int64"),
    (lambda: view(Count(), keys=("refunded",)), "'refunded': got type bool; allowed are int64"),
    (lambda: view(Count(), keys=("price",)), "'price': got type decimal; allowed are int64"),
    (lambda: view(Sum("weight")), "allowed are int64, decimal, bool; declare a scale: decimal("),
    (lambda: view(Mean("weight")), "got type float64; allowed are int64, decimal, bool; declare"),
    (lambda: view(StdDev("weight")), "stddev of sales.weight: got type float64"),
    (lambda: view(Mean("shop")), "got type string; allowed are int64, decimal, bool"),
    (lambda: view(Sum("huge")), "can overflow 38 digits; declare a range within +-909494"),
    (lambda: view(StdDev("wide")), "can overflow 38 digits; declare a range within +-9094947"),
    (lambda: view(StdDev("price")), "declare a range within +-90949.47"),
    (lambda: view(Min("shop")), "allowed are int64, decimal, float64, timestamp_ms"),
    (lambda: view(Max("refunded")), "got type bool; allowed are int64, decimal, float64"),
    (lambda: view(First("nothing")), "got column 'nothing'; allowed are shop"),
    (lambda: view(CountDistinct("nothing")), "got column 'nothing'; allowed are shop"),
    (lambda: filtered(Comparison("till", "==", 1)), "got column 'till'; allowed are shop"),
    (lambda: filtered(IsNull("till")), "got column 'till'; allowed are shop"),
    (lambda: filtered(Comparison("shop", "like", "x")), "operator 'like'; allowed are ==, !=, <"),
    (lambda: filtered(Comparison("refunded", "<", True)), "operator '<'; allowed are ==, !="),  # noqa: FBT003
    (lambda: filtered(Comparison("amount", "==", True)), "got the literal True; allowed is an int"),  # noqa: FBT003
    (lambda: filtered(Comparison("amount", "==", 2**63)), "allowed is an int of 64 bits"),
    (lambda: filtered(Comparison("weight", "<", math.nan)), "allowed is a finite number"),
    (lambda: filtered(Comparison("price", "<", 1)), "allowed is a decimal.Decimal with no more"),
    (
        lambda: filtered(Comparison("price", "<", decimal.Decimal("1.005"))),
        "with no more digits than the field",
    ),
    (lambda: filtered(Comparison("shop", "==", "\ud800")), "allowed is text"),
    (lambda: filtered(Comparison("refunded", "==", 1)), "allowed is True or False"),
    (
        lambda: filtered(Comparison("event_time", "<", datetime(2013, 1, 1))),  # noqa: DTZ001
        "allowed is an aware datetime of whole milliseconds",
    ),
    (lambda: filtered(And(())), "And: got no conditions"),
    (lambda: filtered(Not("shop")), "Not: got 'shop'; allowed are conditions"),  # type: ignore[arg-type]
    (lambda: Filter("Big", IsNull("shop")), "filter: got the name 'Big'"),
    (lambda: Decimal(precision=39), "allowed is 1 <= precision <= 38"),
    (lambda: Decimal(precision=2, scale=3), "0 <= scale <= precision"),
    (
        lambda: Decimal(precision=2, minimum=decimal.Decimal(1), maximum=decimal.Decimal(0)),
        "minimum <= maximum",
    ),
    (lambda: Decimal(precision=2, maximum=decimal.Decimal(100)), "that fits decimal(2, 0)"),
    (lambda: Decimal(precision=2, maximum=decimal.Decimal("NaN")), "that fits decimal(2, 0)"),
    (lambda: SlidingWindow(size=timedelta(1_000), slide=timedelta(1)), "less than 1000 days"),
    (lambda: view(Count(), Count()), "each once"),
    (view, "at least one aggregation"),
    (
        lambda: view(
            Count(where=Filter("some", IsNull("shop"))), Sum("wide", where=Filter("some", ANY))
        ),
        "got two filters named 'some'; allowed is one condition for one name",
    ),
    (lambda: view(Mean("fine")), "mean of sales.fine: got scale 23; allowed is at most 22"),
    (lambda: OnDemandFeature(name="twice", inputs=(), function=abs), "got no inputs"),
    (
        lambda: OnDemandFeature(name="twice", inputs=("amount",), function=abs),
        "got <built-in function abs>; allowed is a function written in Python",
    ),
    (lambda: service("nothing"), "features: got 'nothing'; allowed are"),
    (lambda: service("amount", "amount"), "each once"),
    (lambda: service("amount", label="amount"), "got type int64; allowed is bool"),
    (
        lambda: service("a", on_demand=(double("a", "b"), double("b", "amount"))),
        "feature 'a': got 'b'; allowed is to read on-demand features that are listed before it",
    ),
    (
        lambda: service("a", on_demand=(double("a", "b"), double("b", "c"), double("c", "a"))),
        "feature 'a': got the cycle a -> b -> c -> a; allowed",
    ),
    (lambda: service("a", on_demand=(double("a", "a"),)), "got the cycle a -> a; allowed"),
    (lambda: service("a", on_demand=(double("a", "price_mean"),)), "a: got 'price_mean'"),
    (lambda: service("amount", on_demand=(double("amount", "wide"),)), "there twice"),
    (lambda: service("amount", views=(view(Count()), view(Count()))), "there twice"),
    (lambda: Definitions(views=(view(Count()), view(Count())), services=()), "defined twice"),
    (
        lambda: service("amount", store_policy="degrade"),
        "store_policy: got 'degrade'; allowed are StorePolicy.WAIT and StorePolicy.DEGRADE",
    ),
    (
        lambda: service("amount", max_staleness=timedelta(seconds=-1)),
        "max_staleness: got -1 day, 23:59:59; allowed is zero or more",
    ),
    (
        lambda: service("amount", max_precomputed_age=timedelta(seconds=-1)),
        "max_precomputed_age: got -1 day",
    ),
    (lambda: Definitions(views=(), services=(service("amount"),)), "which is not listed"),
    (lambda: Definitions(views=(view(Count()),), services=()).view("x"), "allowed are shop_sales"),
    (lambda: load_definitions("no.such.module"), "cannot be imported"),
    (lambda: load_definitions("json"), "has no DEFINITIONS"),
    (lambda: to_ms(datetime(2013, 1, 1)), "needs a time zone"),  # noqa: DTZ001
]


@pytest.mark.parametrize(("build", "message"), BAD, ids=[message for _, message in BAD])
def test_the_message_says_what_got_and_allowed(build: Callable[[], object], message: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        build()
    assert message in str(caught.value)
    assert isinstance(caught.value, SamestreamError)
    assert isinstance(caught.value, ValueError)


def test_a_service_requires_the_join_key_type_of_the_request() -> None:
    other = source(name="visits", fields=(Field(name="shop", type=Int64()),))
    with pytest.raises(DefinitionError, match="the types must agree"):
        FeatureService(
            name="refunds",
            request=other,
            views=(view(Count()),),
            on_demand=(),
            features=("shop_sales_count",),
            label=Label(source=source(), column="refunded"),
        )


def test_feature_names_derive_from_view_column_and_aggregation() -> None:
    names = [feature.name for feature in view(Count(), Sum("amount"), Last("event_time")).features]
    assert names == ["shop_sales_count", "shop_sales_amount_sum", "shop_sales_event_time_last"]


def test_on_demand_features_may_read_earlier_ones() -> None:
    chained = (double("twice", "amount"), double("four_times", "twice"))
    assert service("four_times", on_demand=chained).features == ("four_times",)


@pytest.mark.parametrize(
    ("request_ms", "expected"), [(119_999, 0), (120_000, 60_000), (179_999, 60_000)]
)
def test_as_of_is_the_newest_window_end_a_lateness_before_the_request(
    request_ms: int, expected: int
) -> None:
    assert view(Count()).as_of(request_ms) == expected


def test_instants_round_trip() -> None:
    instant = datetime(2013, 12, 30, 5, 0, 0, 123_000, tzinfo=UTC)
    assert from_ms(to_ms(instant)) == instant
    assert duration_ms(timedelta(days=30)) == 2_592_000_000
