"""The small service under names of its own, and one that refuses stale requests."""

from dataclasses import replace
from datetime import timedelta

from features.definitions import Definitions
from tests.tiny_model import card_1h, service, source

requests = source("batch_payments")
card = replace(card_1h, source=requests)
fraud = replace(service, name="batch_fraud", request=requests, views=(card,))
strict = replace(fraud, name="batch_strict", max_staleness=timedelta(minutes=10))

DEFINITIONS = Definitions(views=(card,), services=(fraud, strict))
