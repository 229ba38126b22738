"""Predictions that are kept for requests that will come again, on a real server."""

import itertools
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from redis import Redis

from feature_repo.online_store import connect
from feature_repo.precomputed import Precomputed, PrecomputedStore
from features.examples.payments import DEFINITIONS as PAYMENTS
from features.fields import Bool, Field, Float64, Int64, String
from features.fields import Decimal as DecimalType
from features.fingerprint import view_fingerprint
from features.service import FeatureService
from features.source import EVENT_ID, EVENT_TIME_MS
from models.booster import load_booster
from models.loading import Model
from models.prediction import Mark, Predictions, ViewReceipt
from models.scorer import Scorer
from streaming.kafka.avro import AvroCodec
from streaming.kafka.schemas import event_schema
from streaming.local.stack import EmbeddedStack
from streaming.scoring.precomputed import PrecomputedPredictions
from tests.tiny_model import card_1h, service, trained

pytestmark = pytest.mark.valkey

AT = 1_700_000_000_000
projects = (f"precomputed{number}" for number in itertools.count())


@pytest.fixture
def redis(stack: EmbeddedStack) -> Redis:
    return connect(stack.redis_address)


def request(**changed: Any) -> dict[str, Any]:
    given = {
        EVENT_ID: "r",
        EVENT_TIME_MS: AT,
        "card": "a",
        "country": "de",
        "amount": 7,
        "fraud": None,
    }
    return given | changed


def kept(text: str, at: int = AT) -> Precomputed:
    return Precomputed(as_of_ms=at, content=text.encode())


def store_of(redis: Redis, asked: FeatureService = service) -> PrecomputedStore:
    return PrecomputedStore(redis, project=next(projects), service=asked)


def test_the_newest_stays_whatever_the_order(redis: Redis) -> None:
    store = store_of(redis)
    ask = [request()]
    assert store.get(ask) == [None]
    assert store.put(ask, [kept("first", AT)]) == 1
    assert store.put(ask, [kept("older", AT - 1)]) == 0
    assert store.get(ask) == [kept("first", AT)]
    # Of the same time, the last one: another model has been promoted.
    assert store.put(ask, [kept("second", AT)]) == 1
    assert store.put(ask, [kept("newer", AT + 1)]) == 1
    assert store.get([request(event_time_ms=5, event_id="x")]) == [kept("newer", AT + 1)]
    orders = list(itertools.permutations([AT - 5, -3, AT, AT + 2**40]))
    cards = [request(card=f"c{number}") for number in range(len(orders))]
    for place in range(4):
        store.put(cards, [kept(str(order[place]), order[place]) for order in orders])
    assert store.get(cards) == [kept(str(AT + 2**40), AT + 2**40)] * len(orders)


def test_within_one_call_too(redis: Redis) -> None:
    store = store_of(redis)
    asked = [request(card=f"c{number % 700}") for number in range(2_100)]
    times = [AT + (number * 7) % 3 for number in range(2_100)]
    store.put(asked, [kept(f"{time}", time) for time in times])
    expected = {}
    for one, time in zip(asked, times, strict=True):
        expected[one["card"]] = max(time, expected.get(one["card"], 0))
    assert store.get(asked) == [
        kept(f"{expected[one['card']]}", expected[one["card"]]) for one in asked
    ]


def test_every_combination_of_inputs_has_its_own(redis: Redis) -> None:
    words = ["", "a", "A", "ä", "a\u0308", "✓" * 40, "\x00", "a\x00b", "de", None]
    numbers = [0, 1, -1, 2**63 - 1, -(2**63), None]
    asked = [
        request(card=card, country=country, amount=amount)
        for card, country, amount in itertools.product(words, words, numbers)
    ]
    store = store_of(redis)
    answers = [kept(f"{number}") for number in range(len(asked))]
    assert store.put(asked, answers) == len(asked)
    assert store.get(asked) == answers
    # What no feature reads does not matter.
    assert store.get([request(card="a", country="de", amount=1, fraud=True)]) == store.get(
        [request(card="a", country="de", amount=1)]
    )


def test_every_type_of_input(redis: Redis) -> None:
    fields = (
        Field(name="text", type=String(), nullable=True),
        Field(name="whole", type=Int64(), nullable=True),
        Field(name="real", type=Float64(), nullable=True),
        Field(name="yes", type=Bool(), nullable=True),
        Field(name="money", type=DecimalType(precision=20, scale=2), nullable=True),
    )
    source = replace(service.request, name="typed", fields=fields)
    typed = replace(
        service,
        request=source,
        views=(),
        on_demand=(),
        features=tuple(field.name for field in fields),
    )
    store = store_of(redis, typed)
    values: dict[str, list[Any]] = {
        "text": ["1", "", None],
        "whole": [1, 0, None],
        "real": [1.0, 5e-324, None],
        "yes": [True, False, None],
        "money": [Decimal("1.00"), Decimal(0), Decimal("-123456789012345678.90"), None],
    }
    asked = [dict(zip(values, row, strict=True)) for row in itertools.product(*values.values())]
    answers = [kept(f"{number}") for number in range(len(asked))]
    store.put(asked, answers)
    assert store.get(asked) == answers
    same = asked[0] | {"money": Decimal("1.0"), "real": 1}
    assert store.get([same]) == [answers[0]]
    zero = {"text": None, "whole": None, "yes": None, "money": None}
    store.put([zero | {"real": -0.0}], [kept("zero")])
    assert store.get([zero | {"real": 0.0}]) == [kept("zero")]


def test_services_and_projects_are_apart(redis: Redis) -> None:
    project = next(projects)
    ours = PrecomputedStore(redis, project=project, service=service)
    ours.put([request()], [kept("ours")])
    fewer = replace(service, features=service.features[:-1])
    for other in (
        PrecomputedStore(redis, project=project, service=fewer),
        PrecomputedStore(redis, project=project, service=replace(service, name="frauds")),
        PrecomputedStore(redis, project=next(projects), service=service),
    ):
        assert other.get([request()]) == [None]
    # A server that was started anew knows no scripts.
    redis.script_flush()
    assert ours.put([request()], [kept("again", AT + 1)]) == 1
    assert ours.get([]) == []


def test_an_example_of_the_payments(redis: Redis) -> None:
    asked_service = PAYMENTS.service("payment_fraud")
    store = store_of(redis, asked_service)
    one: dict[str, Any] = dict.fromkeys(asked_service.request_inputs)
    store.put([one], [kept("nulls")])
    assert store.get([one]) == [kept("nulls")]


def predictions(asked: list[dict[str, Any]], model: Model) -> Predictions:
    """Predictions without a fetched row, as the day after the store was emptied."""
    n = len(asked)
    columns = {
        "card_1h_country_last": np.full(n, None),
        "card_1h_count": np.full(n, np.nan),
        "country": np.array([one["country"] for one in asked], dtype=object),
        "amount": np.array([one["amount"] for one in asked], dtype=np.float64),
    }
    receipt = ViewReceipt(
        view=card_1h.name,
        fingerprint=view_fingerprint(card_1h),
        as_of_ms=np.array([card_1h.as_of(one[EVENT_TIME_MS]) for one in asked]),
        window_end_ms=np.zeros(n, dtype=np.int64),
        found=np.zeros(n, dtype=bool),
        marks=np.full(n, Mark.UNKNOWN, dtype=object),
    )
    return Predictions(
        service=service,
        model=model,
        scored=Scorer(service, model).score(columns),
        receipts=(receipt,),
    )


def test_records_are_whole_and_fresh_or_not_there(redis: Redis) -> None:
    booster = load_booster(trained().booster, nthread=1)
    model = Model(version="3", manifest=trained().manifest, booster=booster)
    sha256 = model.manifest.booster_sha256
    in_use = ("3", sha256)
    keeper = PrecomputedPredictions(store_of(redis))
    asked = [request(amount=amount, country="zürich ✓") for amount in (1, 999)]
    made = predictions(asked, model)
    assert keeper.put(made, asked) == 2

    def get(later_ms: int, *, model: tuple[str, str] = in_use) -> list[dict[str, Any] | None]:
        later = [one | {EVENT_TIME_MS: AT + later_ms, EVENT_ID: "later"} for one in asked]
        return keeper.get(later, model=model, max_age=timedelta(seconds=10))

    events = AvroCodec(event_schema(service.request))
    for record, expected, one in zip(get(10_000), made.records(asked), asked, strict=True):
        assert record is not None
        assert np.array_equal(record.pop("vector"), expected.pop("vector"), equal_nan=True)
        assert expected.items() <= record.items()
        assert record["event_time_ms"] == AT
        assert record["source_topic"] == ""
        assert events.decode(record["request"]) == one
    assert get(10_001) == get(-1) == [None, None]
    assert get(0, model=("3", "another")) == [None, None]
    # The same booster with another threshold decides otherwise.
    assert get(0, model=("4", sha256)) == [None, None]
    assert keeper.get([request(amount=2)], model=in_use, max_age=timedelta(seconds=10)) == [None]
    # Negative control: what another version of the schema wrote is not taken for a record.
    other = store_of(redis)
    other.put(asked, [kept("old")] * 2)
    elsewhere = PrecomputedPredictions(other)
    assert elsewhere.get(asked, model=in_use, max_age=timedelta(0)) == [None, None]
