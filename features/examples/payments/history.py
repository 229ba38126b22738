"""Made-up history of the payments example: the same events for the same seed, on any machine."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from features.examples.payments.definitions import HOME
from features.instant import to_ms

_SECOND_MS = 1_000
_MINUTE_MS = 60_000
_DAY_MS = 86_400_000
_MERCHANTS = tuple(f"shop-{number}" for number in range(12))
_COUNTRIES = ("DE", "FR", "IT", "US", "TH")

Event = dict[str, Any]


class PaymentsHistory:
    """Payments, logins and settlements of a few customers.

    Most of the time they shop at home. Once in a while somebody steals a card: failed logins from
    a new device, then a burst of big payments abroad, seconds apart, which are charged back.
    """

    def __init__(
        self,
        *,
        seed: int = 1,
        customers: int = 20,
        days: int = 40,
        start: datetime = datetime(2024, 3, 1, tzinfo=UTC),
    ) -> None:
        self._random = random.Random(seed)  # noqa: S311 - reproducible on purpose
        self._start_ms, self._days = to_ms(start), days
        self._events: dict[str, list[Event]] = {"payments": [], "logins": [], "settlements": []}
        for customer in range(customers):
            self._live(customer)
        for events in self._events.values():
            events.sort(key=lambda event: (event["event_time_ms"], event["event_id"]))

    def events(
        self, source: str, *, start_ms: int | None = None, end_ms: int | None = None
    ) -> Iterator[Event]:
        """Yield the events of a source by (event time, event id).

        Args:
            source: payments, logins or settlements.
            start_ms: first event time, inclusive, milliseconds; None is the first of all.
            end_ms: end of the event times, exclusive, milliseconds; None is past the last.
        """
        for event in self._events[source]:
            time_ms = event["event_time_ms"]
            if (start_ms is None or time_ms >= start_ms) and (end_ms is None or time_ms < end_ms):
                yield dict(event)

    def _live(self, customer: int) -> None:
        draw = self._random
        cards = [f"card-{customer}-{number}" for number in range(draw.choice([1, 1, 2]))]
        issued = {
            card: draw.choice([None, self._start_ms - draw.randrange(900) * _DAY_MS])
            for card in cards
        }
        stolen_on = draw.randrange(self._days) if draw.random() < 0.5 else None
        for day in range(self._days):
            for _ in range(draw.randrange(4)):
                at_ms = self._moment(day)
                if draw.random() < 0.4:
                    self._log_in(customer, at_ms - draw.randrange(10 * _MINUTE_MS))
                card = draw.choice(cards)
                self._shop(customer, card, issued[card], at_ms)
            if day == stolen_on:
                self._steal(customer, cards[0], issued[cards[0]], self._moment(day))

    def _moment(self, day: int) -> int:
        return self._start_ms + day * _DAY_MS + self._random.randrange(_DAY_MS)

    def _log_in(self, customer: int, at_ms: int) -> None:
        draw = self._random
        self._add(
            "logins",
            at_ms,
            customer=customer,
            succeeded=draw.random() < 0.9,
            device=draw.choice([None, f"phone-{customer}", f"Gerät {customer} \U0001f4f1"]),
            country=draw.choice([HOME, HOME, HOME, None]),
        )

    def _shop(self, customer: int, card: str, issued_ms: int | None, at_ms: int) -> None:
        draw = self._random
        country = HOME if draw.random() < 0.9 else draw.choice(_COUNTRIES)
        self._pay(
            customer,
            card,
            issued_ms,
            at_ms,
            merchant=draw.choice([None, *_MERCHANTS]),
            country=country,
            # One of ten is a refund.
            amount=draw.choice([-1, *[1] * 9]) * draw.randrange(1, 20_000),
            declined=draw.random() < 0.05,
            fraud=False,
        )

    def _steal(self, customer: int, card: str, issued_ms: int | None, at_ms: int) -> None:
        draw = self._random
        country = draw.choice(_COUNTRIES)
        for attempt in range(3):
            self._add(
                "logins",
                at_ms - (4 - attempt) * _MINUTE_MS,
                customer=customer,
                succeeded=attempt == 2,
                device=f"stolen-{customer}",
                country=country,
            )
        for merchant in draw.sample(_MERCHANTS, draw.randrange(4, 9)):
            self._pay(
                customer,
                card,
                issued_ms,
                at_ms,
                merchant=merchant,
                country=country,
                amount=draw.randrange(40_000, 300_000),
                declined=draw.random() < 0.3,
                fraud=True,
            )
            at_ms += draw.choice([0, 1, 900, 4_000, 15 * _SECOND_MS])

    def _pay(
        self,
        customer: int,
        card: str,
        issued_ms: int | None,
        at_ms: int,
        *,
        merchant: str | None,
        country: str,
        amount: int,
        declined: bool,
        fraud: bool,
    ) -> None:
        """Add a payment (amount in hundredths, fee 1 %) and, days later, its settlement."""
        draw = self._random
        fee = draw.choice([None, Decimal(abs(amount)).scaleb(-4)])
        event_id = self._add(
            "payments",
            at_ms,
            card=card,
            customer=customer,
            merchant=merchant,
            country=country,
            amount=Decimal(amount).scaleb(-2),
            fee=fee,
            declined=declined,
            hour=at_ms // (60 * _MINUTE_MS) % 24,
            card_issued=issued_ms,
            distance_km=draw.choice([None, draw.randrange(90_000) / 8 * (country != HOME)]),
        )
        settled_ms = at_ms + _DAY_MS + draw.randrange(2 * _DAY_MS)
        self._events["settlements"].append(
            {
                "event_id": event_id,
                "event_time_ms": settled_ms,
                "merchant": merchant,
                "fraud": fraud,
                "charged_back": Decimal(amount).scaleb(-2) if fraud else None,
            }
        )

    def _add(self, source: str, at_ms: int, **fields: Any) -> str:  # noqa: ANN401
        event_id = f"{source}-{len(self._events[source])}"
        self._events[source].append({"event_id": event_id, "event_time_ms": at_ms, **fields})
        return event_id
