"""What differs between two versions of the definitions: in meaning, or only in name."""

import dataclasses
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from features import meaning
from features.aggregation import Aggregation, Count, Last, Mean, Sum
from features.definitions import Definitions
from features.diff import Change, Difference, Kind, compare
from features.entity import Entity
from features.examples.flights import DEFINITIONS as FLIGHTS
from features.fields import Bool, Field, Int64, String
from features.filter import Comparison, Filter
from features.fingerprint import view_content
from features.on_demand import OnDemandFeature
from features.service import FeatureService, Label
from features.source import EventSource
from features.view import FeatureView
from features.window import SlidingWindow

MINUTE = timedelta(minutes=1)
BIG = Filter("big", Comparison("amount", ">", 100))
SALES = EventSource(
    name="sales",
    fields=(
        Field(name="shop", type=String()),
        Field(name="clerk", type=String()),
        Field(name="amount", type=Int64(minimum=0, maximum=1_000)),
        Field(name="refunded", type=Bool()),
    ),
    lateness=MINUTE,
)
SHOP = Entity(name="shop", join_keys=("shop",))
WINDOW = SlidingWindow(size=3 * MINUTE, slide=MINUTE)


def twice(x: Any) -> Any:
    return 2 * x


def thrice(x: Any) -> Any:
    return 3 * x


TWICE = OnDemandFeature(name="twice", inputs=("shop_sales_amount_sum",), function=twice)


def view(
    *aggregations: Aggregation,
    name: str = "shop_sales",
    source: EventSource = SALES,
    entity: Entity = SHOP,
    window: SlidingWindow = WINDOW,
) -> FeatureView:
    found = aggregations or (Count(), Sum("amount"), Mean("amount", where=BIG))
    return FeatureView(name=name, source=source, entity=entity, window=window, aggregations=found)


def service(*views: FeatureView, **changes: Any) -> FeatureService:
    found = views or (view(),)
    return FeatureService(
        **{
            "name": "refunds",
            "request": SALES,
            "views": found,
            "on_demand": (TWICE,),
            "features": ("amount", "shop_sales_count", "twice"),
            "label": Label(source=SALES, column="refunded"),
            **changes,
        }
    )


def definitions(*views: FeatureView, services: tuple[FeatureService, ...] = ()) -> Definitions:
    return Definitions(views=views or (view(),), services=services)


def told(changes: tuple[Change, ...]) -> list[tuple[object, ...]]:
    return [
        (change.kind.value, change.old, change.new, *(part.name for part in change.parts))
        for change in changes
    ]


def difference(*views: FeatureView) -> Difference:
    return compare(definitions(), definitions(*views))


def with_fields(**types: Field) -> EventSource:
    fields = tuple(types.get(field.name, field) for field in SALES.fields)
    return dataclasses.replace(SALES, fields=fields)


ALL = ("shop_sales_count", "shop_sales_amount_sum", "shop_sales_big_amount_mean")

SAME_NAMES: dict[str, tuple[Callable[[], FeatureView], tuple[str, ...]]] = {
    "window": (
        lambda: view(window=SlidingWindow(size=4 * MINUTE, slide=MINUTE)),
        ("size 3 min, slide 1 min", "size 4 min, slide 1 min"),
    ),
    "lateness": (
        lambda: view(source=dataclasses.replace(SALES, lateness=2 * MINUTE)),
        ("1 min", "2 min"),
    ),
    "join keys": (
        lambda: view(entity=Entity(name="shop", join_keys=("shop", "clerk"))),
        ("shop string", "shop string, clerk string"),
    ),
    "source": (
        lambda: view(source=dataclasses.replace(SALES, name="orders")),
        ("sales", "orders"),
    ),
}


@pytest.mark.parametrize("part", SAME_NAMES)
def test_a_part_of_the_view_changes_every_feature(part: str) -> None:
    build, texts = SAME_NAMES[part]
    found = difference(build())
    assert told(found.features) == [("changed", name, name, part) for name in ALL]
    assert {(each.old, each.new) for change in found.features for each in change.parts} == {texts}
    assert found.changes_meaning
    assert found.recomputed == (build(),)


def test_a_condition_changes_the_features_it_filters() -> None:
    bigger = Filter("big", Comparison("amount", ">", 200))
    found = difference(view(Count(), Sum("amount"), Mean("amount", where=bigger)))
    assert told(found.features) == [("changed", ALL[2], ALL[2], "filter")]
    assert found.features[0].parts[0].new == "amount > 200"


def test_a_type_changes_what_is_made_of_its_column() -> None:
    wide = with_fields(amount=Field(name="amount", type=Int64()))
    found = difference(view(source=wide))
    # The sum of a wide range is a decimal; the type of the column is the same.
    assert told(found.features) == [("changed", ALL[1], ALL[1], "type")]
    assert told(found.sources) == [("changed", "sales", "sales", "field amount")]
    assert found.sources[0].parts[0].new == "int64"


def test_new_and_removed_features() -> None:
    found = difference(view(Count(), Sum("amount"), Last("amount")))
    assert told(found.features) == [
        ("new", None, "shop_sales_amount_last"),
        ("removed", ALL[2], None),
    ]
    assert found.changes_meaning


def test_a_new_feature_changes_no_meaning() -> None:
    found = difference(view(), view(Count(), name="sales_again"))
    assert told(found.features) == [("new", None, "sales_again_count")]
    assert [each.name for each in found.recomputed] == ["sales_again"]
    assert not found.changes_meaning


def test_names_of_view_entity_and_filter_are_only_names() -> None:
    large = Filter("large", BIG.condition)
    renamed = view(
        Count(),
        Sum("amount"),
        Mean("amount", where=large),
        name="sales",
        entity=Entity(name="store", join_keys=("shop",)),
    )
    found = difference(renamed)
    assert told(found.features) == [
        ("renamed", ALL[0], "sales_count"),
        ("renamed", ALL[1], "sales_amount_sum"),
        ("renamed", ALL[2], "sales_large_amount_mean"),
    ]
    assert not found.changes_meaning
    assert found.recomputed == (renamed,)


def test_one_feature_becomes_one_other() -> None:
    found = difference(view(name="one"), view(name="two"))
    kinds = [change.kind for change in found.features]
    assert kinds == [Kind.RENAMED] * 3 + [Kind.NEW] * 3


def test_a_feature_may_move_to_a_view_that_was_there() -> None:
    other = view(Mean("amount"), name="other")
    grown = view(Mean("amount"), Sum("amount"), name="other")

    def read(each: FeatureView) -> FeatureService:
        return service(each, on_demand=(), features=("other_amount_mean",))

    found = compare(
        definitions(view(Count(), Sum("amount")), other, services=(read(other),)),
        definitions(view(Count()), grown, services=(read(grown),)),
    )
    assert told(found.features) == [("renamed", ALL[1], "other_amount_sum")]
    assert found.services == ()


def test_a_name_that_is_taken_over_changes_its_meaning() -> None:
    short = view(Count(), name="short")
    long = view(Count(), name="long", window=SlidingWindow(size=9 * MINUTE, slide=MINUTE))
    swapped = (
        dataclasses.replace(long, name="short"),
        dataclasses.replace(short, name="long"),
    )
    found = compare(definitions(short, long), definitions(*swapped))
    assert {change.kind for change in found.features} == {Kind.CHANGED}


def test_order_and_ranges_change_no_meaning() -> None:
    narrow = with_fields(amount=Field(name="amount", type=Int64(minimum=0, maximum=500)))
    found = difference(view(Sum("amount"), Mean("amount", where=BIG), Count(), source=narrow))
    assert found.features == ()
    assert told(found.sources) == [("changed", "sales", "sales", "field amount")]
    assert found.sources[0].parts[0].old == "int64, 0 to 1000"
    assert not found.changes_meaning
    assert len(found.recomputed) == 1  # the order is in the fingerprint


SERVICES: dict[str, tuple[dict[str, Any], list[tuple[object, ...]], list[tuple[object, ...]]]] = {
    "same": ({}, [], []),
    "order": (
        {"features": ("shop_sales_count", "amount", "twice")},
        [],
        [("changed", "refunds", "refunds", "order of features")],
    ),
    "fewer": (
        {"features": ("amount", "twice")},
        [],
        [("changed", "refunds", "refunds", "features removed")],
    ),
    "more": (
        {"features": ("amount", "shop_sales_amount_sum", "shop_sales_count", "twice")},
        [],
        [("changed", "refunds", "refunds", "features added")],
    ),
    "name": (
        {"name": "returns"},
        [("renamed", "refunds.twice", "returns.twice")],
        [("renamed", "refunds", "returns")],
    ),
    "label": (
        {"label": Label(source=dataclasses.replace(SALES, name="audits"), column="refunded")},
        [],
        [("changed", "refunds", "refunds", "label")],
    ),
    "code": (
        {"on_demand": (dataclasses.replace(TWICE, function=thrice),)},
        [("changed", "refunds.twice", "refunds.twice", "code")],
        [("changed", "refunds", "refunds", "features changed")],
    ),
    "inputs": (
        {"on_demand": (dataclasses.replace(TWICE, inputs=("amount",)),)},
        [("changed", "refunds.twice", "refunds.twice", "inputs")],
        [("changed", "refunds", "refunds", "features changed")],
    ),
    "name on demand": (
        {
            "on_demand": (dataclasses.replace(TWICE, name="double"),),
            "features": ("amount", "shop_sales_count", "double"),
        },
        [("renamed", "refunds.twice", "refunds.double")],
        [],
    ),
}


@pytest.mark.parametrize("case", SERVICES)
def test_services_and_on_demand_features(case: str) -> None:
    changes, on_demand, services = SERVICES[case]
    old = definitions(services=(service(),))
    found = compare(old, definitions(services=(service(**changes),)))
    assert told(found.on_demand) == on_demand
    assert told(found.services) == services
    kinds = {kind for kind, *_ in (*on_demand, *services)}
    assert found.changes_meaning == ("changed" in kinds)


def test_a_service_follows_views_that_change_name_or_meaning() -> None:
    old = definitions(services=(service(),))
    double = dataclasses.replace(TWICE, inputs=("sales_amount_sum",))
    renamed = service(
        view(name="sales"), on_demand=(double,), features=("amount", "sales_count", "twice")
    )
    found = compare(old, definitions(view(name="sales"), services=(renamed,)))
    assert (found.on_demand, found.services) == ((), ())
    assert not found.changes_meaning

    longer = view(window=SlidingWindow(size=9 * MINUTE, slide=MINUTE))
    found = compare(old, definitions(longer, services=(service(longer),)))
    assert told(found.on_demand) == [("changed", "refunds.twice", "refunds.twice", "inputs")]
    assert found.services[0].parts[0].new == "shop_sales_count, twice"


def test_a_service_says_which_views_it_no_longer_reads() -> None:
    more = view(Count(), name="more")
    old = definitions(view(), more, services=(service(view(), more),))
    found = compare(old, definitions(view(), more, services=(service(),)))
    assert told(found.services) == [("changed", "refunds", "refunds", "views")]


def test_two_features_that_mean_the_same_are_still_two() -> None:
    twin = view(Count(), name="twin")
    read = ("shop_sales_count", "twin_count", "twice")
    old = definitions(view(), twin, services=(service(view(), twin, features=read),))
    fewer = service(view(), twin, features=("shop_sales_count", "twice"))
    found = compare(old, definitions(view(), twin, services=(fewer,)))
    assert told(found.services) == [("changed", "refunds", "refunds", "features removed")]


def test_the_same_definitions_do_not_differ() -> None:
    assert compare(FLIGHTS, FLIGHTS) == Difference(
        features=(), on_demand=(), services=(), sources=(), recomputed=()
    )


def test_a_part_that_fingerprints_gain_is_compared_without_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(meaning, "view_content", lambda each: view_content(each) | {"x": each.name})
    found = compare(definitions(view(Count())), definitions(view(Count(), name="sales")))
    assert told(found.features) == [("new", None, "sales_count"), ("removed", ALL[0], None)]
