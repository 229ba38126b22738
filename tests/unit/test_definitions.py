"""A bad definition fails while it is imported, with what, got and allowed."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from features.aggregation import Aggregation, Count, Last, Mean, Sum
from features.definitions import Definitions, load_definitions
from features.entity import Entity
from features.errors import DefinitionError, SamestreamError
from features.fields import Bool, Field, Float64, Int64, String
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


def service(
    *features: str,
    views: tuple[FeatureView, ...] = (),
    on_demand: tuple[OnDemandFeature, ...] = (),
    label: str = "refunded",
) -> FeatureService:
    return FeatureService(
        name="refunds",
        request=source(),
        views=views or (view(Count()),),
        on_demand=on_demand,
        features=features,
        label=Label(source=source(), column=label),
    )


def double(name: str, *inputs: str) -> OnDemandFeature:
    return OnDemandFeature(name=name, inputs=inputs, function=lambda x: 2 * x)


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
    (lambda: view(Sum("price")), "got column 'price'; allowed are shop, amount"),
    (lambda: view(Count(), keys=("till",)), "got column 'till'"),
    (lambda: view(Count(), keys=("weight",)), "'weight' is float64; allowed are exact types"),
    (lambda: view(Sum("weight")), "allowed are int64 and bool; declare it as an integer"),
    (lambda: view(Mean("shop")), "got type string; allowed are int64 and bool"),
    (lambda: view(Sum("wide")), "can overflow 64 bits; declare a range"),
    (lambda: view(Last("weight")), "got type float64"),
    (lambda: view(Count(), Count()), "each once"),
    (view, "at least one aggregation"),
    (lambda: OnDemandFeature(name="twice", inputs=(), function=abs), "got no inputs"),
    (lambda: service("nothing"), "features: got 'nothing'; allowed are"),
    (lambda: service("amount", "amount"), "each once"),
    (lambda: service("amount", label="amount"), "got type int64; allowed is bool"),
    (lambda: service("a", on_demand=(double("a", "b"), double("b", "amount"))), "a: got 'b'"),
    (lambda: service("amount", on_demand=(double("amount", "amount"),)), "there twice"),
    (lambda: service("amount", views=(view(Count()), view(Count()))), "there twice"),
    (lambda: Definitions(views=(view(Count()), view(Count())), services=()), "defined twice"),
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
