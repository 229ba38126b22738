"""The views of the payments example, by hand."""

import math
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from features.examples.payments import DEFINITIONS, request_time
from features.examples.payments.definitions import payment_fraud, payments
from features.examples.payments.history import PaymentsHistory
from features.fields import Decimal as DecimalType
from features.instant import from_ms
from features.on_demand import compute_on_demand
from features.testing import rows_of, served
from models.testing import vector_of

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

ORDINARY = {
    "card": "c",
    "customer": 7,
    "merchant": "shop",
    "country": "CH",
    "amount": Decimal("10.00"),
    "declined": False,
    "hour": 12,
}


def payment(at_ms: int, **changed: Any) -> dict[str, Any]:
    return {"event_time_ms": at_ms, **ORDINARY, **changed}


def login(at_ms: int, **changed: Any) -> dict[str, Any]:
    given = {"customer": 7, "succeeded": True, "device": "phone", "country": "CH"}
    return {"event_time_ms": at_ms, **given, **changed}


def values_at(view: str, end_ms: int, events: list[dict[str, Any]]) -> dict[str, Any]:
    """Features of the only entity at a window end, without the name of the view."""
    rows = rows_of(DEFINITIONS.view(view), events, until=from_ms(end_ms))
    (row,) = (row for row in rows if row.window_end == from_ms(end_ms))
    return {name.removeprefix(f"{view}_"): value for name, value in row.values.items()}


# seconds  0    5    10   15   20   25   30   35   40   45
# event      2        11   15
# W=20 -----------------------)                         2, 11, 15
# W=35          [-----------------------------)         11, 15
# W=45                    [-----------------------------) 15 is the first instant inside
def test_a_burst_within_half_a_minute() -> None:
    burst = [
        payment(2 * SECOND, amount=Decimal("0.10")),
        payment(11 * SECOND, amount=Decimal("0.20"), declined=True, merchant=None),
        payment(15 * SECOND, amount=Decimal("-0.05"), merchant="other"),
    ]
    counted = ("count", "declined_count", "amount_sum", "merchant_count_distinct")
    for end, expected in (
        (20, (3, 1, Decimal("0.25"), 2)),
        (35, (2, 1, Decimal("0.15"), 1)),
        (45, (1, 0, Decimal("-0.05"), 1)),
        (50, (0, 0, Decimal("0.00"), 0)),
    ):
        values = values_at("card_30s", end * SECOND, burst)
        assert tuple(values[name] for name in counted) == expected, end


def test_an_hour_of_a_card() -> None:
    events = [
        payment(5, event_id="b", country="FR", amount=Decimal("600.00"), distance_km=412.5),
        payment(5, event_id="a", amount=Decimal("499.99"), merchant=None, distance_km=3.0),
        payment(6, country="TH", amount=Decimal("500.00"), distance_km=9_000.25),
        payment(7, country="FR", amount=Decimal("-20.00"), declined=True),
    ]
    assert values_at("card_1h", MINUTE, events) == {
        "count": 4,
        "foreign_count": 3,
        "declined_mean": 0.25,
        "doubtful_amount_sum": Decimal("999.99"),  # a has no merchant, c is far away
        "amount_min": Decimal("-20.00"),
        "amount_max": Decimal("600.00"),
        "country_first": "CH",  # a and b are at the same instant: the id decides
        "country_last": "FR",
        "event_time_last": 7,
        "big_country_count_distinct": 2,  # FR and TH; 499.99 is not big
        "distance_km_max": 9_000.25,
    }


def test_a_month_of_a_card() -> None:
    events = [
        payment(HOUR, amount=Decimal("10.00"), fee=Decimal("0.1000"), card_issued=-DAY),
        payment(DAY, amount=Decimal("20.00"), fee=Decimal("0.2001"), country="DE", hour=5),
        payment(2 * DAY, amount=Decimal("60.00"), country="DE", hour=23, declined=True),
        payment(3 * DAY, amount=Decimal("-30.00"), country="FR", hour=0, merchant=None),
    ]
    values = values_at("card_30d", 4 * DAY, events)
    assert values == {
        "count": 4,
        "amount_mean": 15.0,
        # Squared deviations 25, 25, 2025, 2025: the mean is 1025.
        "amount_stddev": math.sqrt(1025.0),
        # 20, 60, -30 around 50/3: (3 * (400 + 3600 + 900) - 50 ** 2) / 9.
        "foreign_amount_stddev": math.sqrt(122_000_000.0 / 90_000.0),
        "night_spending_amount_max": Decimal("20.00"),  # one is declined, one is a refund
        "fee_sum": Decimal("0.3001"),
        "fee_mean": 0.15005,
        "merchant_count_distinct": 1,
        "event_time_first": HOUR,
        "card_issued_last": -DAY,
    }
    # After 30 days the window has lost the first payment, and the oldest value with it.
    later = values_at("card_30d", 31 * DAY, events)
    assert (later["count"], later["event_time_first"], later["card_issued_last"]) == (3, DAY, None)


def test_a_payment_without_merchant_belongs_to_no_merchant() -> None:
    events = [payment(1, merchant=None), payment(2), payment(3, amount=Decimal("700.00"))]
    for view in ("card_merchant_30d", "merchant_24h"):
        assert {row.keys["merchant"] for row in rows_of(DEFINITIONS.view(view), events)} == {"shop"}
    assert values_at("card_merchant_30d", 6 * HOUR, events) == {
        "count": 2,
        "amount_last": Decimal("700.00"),
        "distance_km_min": None,
    }
    assert values_at("merchant_24h", 15 * MINUTE, events) == {
        "count": 2,
        "declined_mean": 0.0,
        "card_count_distinct": 1,
        "big_amount_mean": 700.0,
    }


def test_logins_of_a_customer() -> None:
    events = [
        login(1, succeeded=False, device=None),
        login(2, succeeded=False, device="Gerät"),
        login(3, country=None),
    ]
    assert values_at("customer_logins_15min", MINUTE, events) == {
        "failed_count": 2,
        "device_count_distinct": 2,
        "country_last": "CH",  # the newest that is known
    }
    assert values_at("customer_logins_7d", HOUR, events) == {
        "count": 3,
        "known_device_device_count_distinct": 1,
        "device_first": "Gerät",
    }


def test_settlements_of_a_merchant() -> None:
    lost = {"event_time_ms": 2, "merchant": "m", "fraud": True, "charged_back": Decimal("12.50")}
    events = [{"event_time_ms": 1, "merchant": "m", "fraud": False}, lost]
    values = values_at("merchant_settlements_30d", DAY, events)
    assert values == {"fraud_mean": 0.5, "charged_back_sum": Decimal("12.50")}


def test_features_of_a_request() -> None:
    texts = {
        "country": ["FR", "CH", "CH"],
        "card_1h_country_last": ["CH", "CH", None],
        "customer_logins_15min_country_last": ["TH", None, "CH"],
    }
    numbers = {
        "amount": [25.0, 10.0, 10.0],
        "card_30d_amount_mean": [15.0, 10.0, math.nan],
        "card_30d_amount_stddev": [5.0, 0.0, math.nan],
        "event_time_ms": [90_000.0, DAY * 2.5, 0.0],
        "card_1h_event_time_last": [60_000.0, math.nan, math.nan],
        "card_issued": [math.nan, DAY, math.nan],
        "customer_logins_15min_failed_count": [2.0, math.nan, 0.0],
    }
    columns = {name: np.array(values, dtype=object) for name, values in texts.items()}
    columns |= {name: np.array(values) for name, values in numbers.items()}

    computed = compute_on_demand(payment_fraud.on_demand, columns)

    expected = {
        "amount_deviation": [2.0, math.nan, math.nan],
        "seconds_since_last": [30.0, math.nan, math.nan],
        "country_changed": [1.0, 0.0, math.nan],
        "login_elsewhere": [1.0, math.nan, 0.0],
        "card_age_days": [math.nan, 1.5, math.nan],
        "suspicion": [3.0, 0.0, 0.0],
    }
    assert list(computed) == list(expected)
    for name, values in expected.items():
        np.testing.assert_array_equal(computed[name], values, err_msg=name)


def test_the_vector_of_a_payment_after_a_theft() -> None:
    begin = 40 * DAY
    logged_in = [login(begin - MINUTE, country="TH", succeeded=tried) for tried in (False, True)]
    before = [payment(begin - 10 * HOUR, merchant="kiosk"), payment(begin - HOUR)]
    burst = [payment(begin + each * SECOND, country="TH", merchant=f"m{each}") for each in (0, 1)]

    vector = vector_of(
        payment_fraud,
        payment(begin + 20 * SECOND, country="TH", amount=Decimal("900.10")),
        {"payments": before + burst, "logins": logged_in},
    )

    assert tuple(vector) == payment_fraud.features
    expected = {
        "amount": 900.10,
        "country": "TH",
        "card_30s_count": 2.0,
        "card_30s_amount_sum": 20.0,
        # The newest minutes and days that are known ended before the burst.
        "card_1h_count": 1.0,
        "card_30d_count": 2.0,
        "country_changed": 1.0,
        "suspicion": 1.0,
        "merchant_settlements_30d_fraud_mean": None,
    }
    assert {name: vector[name] for name in expected} == expected


def test_a_source_with_more_lateness_is_seen_later() -> None:
    minute, at = DEFINITIONS.view("customer_logins_15min"), 10 * MINUTE
    tried = [login(at - 1, succeeded=False)]
    for delay, expected in ((2 * MINUTE - 1, None), (2 * MINUTE, 1)):
        values = served(minute, tried, from_ms(at + delay), customer=7)
        assert values["customer_logins_15min_failed_count"] == expected


def test_no_requests_have_no_features() -> None:
    none = np.array([], dtype=object)
    assert request_time.differs(none, none).shape == (0,)


def test_history_is_the_same_for_the_same_seed() -> None:
    def events(seed: int) -> list[dict[str, Any]]:
        return list(PaymentsHistory(seed=seed, customers=5, days=5).events("payments"))

    assert events(1) == events(1) != events(2)


@pytest.mark.parametrize("source", DEFINITIONS.sources, ids=lambda source: source.name)
def test_history_holds_what_the_source_declares(source: Any) -> None:
    events = list(PaymentsHistory(customers=10, days=10).events(source.name))
    order = [(event["event_time_ms"], event["event_id"]) for event in events]
    assert order == sorted(set(order))
    names = ["event_id", "event_time_ms", *(field.name for field in source.fields)]
    assert {tuple(event) for event in events} == {tuple(names)}
    for field in source.fields:
        values = [event[field.name] for event in events]
        assert (None in values) is field.nullable, field.name
        if isinstance(field.type, DecimalType):
            smallest, largest = field.type.range_units
            units = [field.type.units(value) for value in values if value is not None]
            assert all(smallest <= unit <= largest for unit in units)


def test_every_payment_is_settled_and_some_are_fraud() -> None:
    history = PaymentsHistory()
    settled = {event["event_id"]: event["fraud"] for event in history.events("settlements")}
    assert {event["event_id"] for event in history.events(payments.name)} == set(settled)
    assert 20 < sum(settled.values()) < len(settled) // 10


def test_a_range_starts_inclusive_and_ends_exclusive() -> None:
    history = PaymentsHistory(customers=3, days=3)
    times = [event["event_time_ms"] for event in history.events("logins")]
    part = history.events("logins", start_ms=times[1], end_ms=times[3])
    assert [event["event_time_ms"] for event in part] == times[1:3]
