"""Two services for the tests of the endpoint: one waits for the online store, one degrades."""

from dataclasses import replace
from datetime import timedelta

from features.aggregation import Count, Last
from features.definitions import Definitions
from features.entity import Entity
from features.on_demand import OnDemandFeature
from features.service import FeatureService, Label, StorePolicy
from features.view import FeatureView
from tests import tiny_model

payments = tiny_model.source("endpoint_payments")
by_card = FeatureView(
    name="endpoint_by_card",
    source=payments,
    entity=Entity(name="endpoint_card", join_keys=("card",)),
    window=tiny_model.card_1h.window,
    aggregations=(Count(), Last("country")),
)
waiting = FeatureService(
    name="endpoint_waiting",
    request=payments,
    views=(by_card,),
    on_demand=(
        OnDemandFeature(
            name="endpoint_share",
            inputs=("amount", "endpoint_by_card_count"),
            function=tiny_model.ratio,
        ),
    ),
    features=(
        "endpoint_by_card_country_last",
        "amount",
        "endpoint_share",
        "country",
        "endpoint_by_card_count",
    ),
    label=Label(source=tiny_model.source("endpoint_verdicts"), column="fraud"),
    max_precomputed_age=timedelta(minutes=30),
)
degrading = replace(
    waiting,
    name="endpoint_degrading",
    on_demand=(),
    features=("amount", "country", "endpoint_by_card_count"),
    store_policy=StorePolicy.DEGRADE,
)

DEFINITIONS = Definitions(views=(by_card,), services=(waiting, degrading))
