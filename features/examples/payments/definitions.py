"""Sources, feature views and the two feature services of the payments example."""

from datetime import timedelta
from decimal import Decimal as Number

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
from features.definitions import Definitions
from features.entity import Entity
from features.examples.payments import request_time
from features.fields import Bool, Decimal, Field, Float64, Int64, String, TimestampMs
from features.filter import And, Comparison, Filter, IsNull, Not, Or
from features.on_demand import OnDemandFeature
from features.service import FeatureService, Label
from features.source import EventSource
from features.view import FeatureView
from features.window import SlidingWindow

HOME = "CH"

# Refunds are negative.
_AMOUNT = Decimal(precision=9, scale=2, minimum=Number("-50000.00"), maximum=Number("50000.00"))

payments = EventSource(
    name="payments",
    fields=(
        Field(name="card", type=String()),
        Field(name="customer", type=Int64(minimum=0)),
        Field(name="merchant", type=String(), nullable=True),
        Field(name="country", type=String()),
        Field(name="amount", type=_AMOUNT),
        Field(name="fee", type=Decimal(precision=9, scale=4), nullable=True),
        Field(name="declined", type=Bool()),
        Field(name="hour", type=Int64(minimum=0, maximum=23)),
        Field(name="card_issued", type=TimestampMs(), nullable=True),
        Field(name="distance_km", type=Float64(), nullable=True),
    ),
    lateness=timedelta(seconds=5),
    max_clock_skew=timedelta(seconds=2),
)
logins = EventSource(
    name="logins",
    fields=(
        Field(name="customer", type=Int64(minimum=0)),
        Field(name="succeeded", type=Bool()),
        Field(name="device", type=String(), nullable=True),
        Field(name="country", type=String(), nullable=True),
    ),
    lateness=timedelta(minutes=2),
    encoding="json",
)
settlements = EventSource(
    name="settlements",
    fields=(
        Field(name="merchant", type=String(), nullable=True),
        Field(name="fraud", type=Bool()),
        Field(name="charged_back", type=_AMOUNT, nullable=True),
    ),
    lateness=timedelta(hours=1),
)

DECLINED = Filter("declined", Comparison("declined", "==", literal=True))
FOREIGN = Filter("foreign", Not(Comparison("country", "==", HOME)))
BIG = Filter("big", Comparison("amount", ">=", Number("500.00")))
# Money that came, at an hour when the owner sleeps.
NIGHT_SPENDING = Filter(
    "night_spending",
    And(
        (
            Or((Comparison("hour", ">=", 23), Comparison("hour", "<", 6))),
            Comparison("amount", ">", Number(0)),
            Not(Comparison("declined", "==", literal=True)),
        )
    ),
)
# Without a name, or from so far away that the card can hardly be there.
DOUBTFUL = Filter("doubtful", Or((IsNull("merchant"), Comparison("distance_km", ">", 1_000.0))))
FAILED = Filter("failed", Comparison("succeeded", "==", literal=False))
KNOWN_DEVICE = Filter(
    "known_device", And((Not(IsNull("device")), Comparison("succeeded", "==", literal=True)))
)

_card = Entity(name="card", join_keys=("card",))
_customer = Entity(name="customer", join_keys=("customer",))
_merchant = Entity(name="merchant", join_keys=("merchant",))
_card_merchant = Entity(name="card_merchant", join_keys=("card", "merchant"))


def _view(
    name: str,
    source: EventSource,
    entity: Entity,
    size: timedelta,
    slide: timedelta,
    *aggregations: Aggregation,
) -> FeatureView:
    return FeatureView(
        name=name,
        source=source,
        entity=entity,
        window=SlidingWindow(size=size, slide=slide),
        aggregations=aggregations,
    )


card_30s = _view(
    "card_30s",
    payments,
    _card,
    timedelta(seconds=30),
    timedelta(seconds=5),
    Count(),
    Count(where=DECLINED),
    Sum("amount"),
    CountDistinct("merchant"),
)
card_1h = _view(
    "card_1h",
    payments,
    _card,
    timedelta(hours=1),
    timedelta(minutes=1),
    Count(),
    Count(where=FOREIGN),
    Mean("declined"),
    Sum("amount", where=DOUBTFUL),
    Min("amount"),
    Max("amount"),
    First("country"),
    Last("country"),
    Last("event_time"),
    CountDistinct("country", where=BIG),
    Max("distance_km"),
)
card_30d = _view(
    "card_30d",
    payments,
    _card,
    timedelta(days=30),
    timedelta(days=1),
    Count(),
    Mean("amount"),
    StdDev("amount"),
    StdDev("amount", where=FOREIGN),
    Max("amount", where=NIGHT_SPENDING),
    Sum("fee"),
    Mean("fee"),
    CountDistinct("merchant"),
    First("event_time"),
    Last("card_issued"),
)
card_merchant_30d = _view(
    "card_merchant_30d",
    payments,
    _card_merchant,
    timedelta(days=30),
    timedelta(hours=6),
    Count(),
    Last("amount"),
    Min("distance_km"),
)
merchant_24h = _view(
    "merchant_24h",
    payments,
    _merchant,
    timedelta(hours=24),
    timedelta(minutes=15),
    Count(),
    Mean("declined"),
    CountDistinct("card"),
    Mean("amount", where=BIG),
)
customer_logins_15min = _view(
    "customer_logins_15min",
    logins,
    _customer,
    timedelta(minutes=15),
    timedelta(minutes=1),
    Count(where=FAILED),
    CountDistinct("device"),
    Last("country"),
)
customer_logins_7d = _view(
    "customer_logins_7d",
    logins,
    _customer,
    timedelta(days=7),
    timedelta(hours=1),
    Count(),
    CountDistinct("device", where=KNOWN_DEVICE),
    First("device"),
)
merchant_settlements_30d = _view(
    "merchant_settlements_30d",
    settlements,
    _merchant,
    timedelta(days=30),
    timedelta(days=1),
    Mean("fraud"),
    Sum("charged_back"),
)

VIEWS = (
    *(card_30s, card_1h, card_30d, card_merchant_30d, merchant_24h),
    *(customer_logins_15min, customer_logins_7d),
    merchant_settlements_30d,
)

_amount_deviation = OnDemandFeature(
    name="amount_deviation",
    inputs=("amount", "card_30d_amount_mean", "card_30d_amount_stddev"),
    function=request_time.deviation,
)
_seconds_since_last = OnDemandFeature(
    name="seconds_since_last",
    inputs=("event_time_ms", "card_1h_event_time_last"),
    function=request_time.seconds_between,
)
_country_changed = OnDemandFeature(
    name="country_changed",
    inputs=("country", "card_1h_country_last"),
    function=request_time.differs,
)
_login_elsewhere = OnDemandFeature(
    name="login_elsewhere",
    inputs=("country", "customer_logins_15min_country_last"),
    function=request_time.differs,
)
_card_age_days = OnDemandFeature(
    name="card_age_days",
    inputs=("event_time_ms", "card_issued"),
    function=request_time.days_between,
)
_suspicion = OnDemandFeature(
    name="suspicion",
    inputs=("country_changed", "login_elsewhere", "customer_logins_15min_failed_count"),
    function=request_time.suspicion,
)


def _features(*views: FeatureView) -> tuple[str, ...]:
    """Names of the features of views; instants reach a model as differences only."""
    return tuple(
        feature.name
        for view in views
        for feature in view.features
        if not isinstance(feature.type, TimestampMs)
    )


_LABEL = Label(source=settlements, column="fraud")

payment_fraud = FeatureService(
    name="payment_fraud",
    request=payments,
    views=VIEWS,
    on_demand=(
        _amount_deviation,
        _seconds_since_last,
        _country_changed,
        _login_elsewhere,
        _card_age_days,
        _suspicion,
    ),
    features=(
        *("amount", "hour", "country", "distance_km"),
        *_features(*VIEWS),
        "amount_deviation",
        "seconds_since_last",
        "country_changed",
        "card_age_days",
        "suspicion",
    ),
    label=_LABEL,
)
# What a terminal asks: of few views, so that the answer is quick.
card_velocity = FeatureService(
    name="card_velocity",
    request=payments,
    views=(card_30s, card_1h),
    on_demand=(_seconds_since_last, _country_changed),
    features=(
        "amount",
        *_features(card_30s),
        "card_1h_count",
        "card_1h_declined_mean",
        "seconds_since_last",
        "country_changed",
    ),
    label=_LABEL,
)

DEFINITIONS = Definitions(views=VIEWS, services=(payment_fraud, card_velocity))
