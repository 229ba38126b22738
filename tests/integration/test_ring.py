"""Packed rings: what is packed is found as of any instant, by the server's own script."""

from collections.abc import Callable
from decimal import Decimal as Number
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feature_repo.online_store import connect
from feature_repo.ring import HEADER, RingCodec
from feature_repo.scripts import load_script
from features.aggregation import Feature
from features.fields import Bool, Decimal, Float64, Int64, String
from streaming.local.stack import EmbeddedStack

pytestmark = pytest.mark.valkey

COUNT = Feature(name="count", type=Int64(), nullable=False)
MEAN = Feature(name="mean", type=Float64(), nullable=True)
FLAG = Feature(name="flag", type=Bool(), nullable=True)
SUM = Feature(name="sum", type=Decimal(precision=38, scale=19), nullable=False)
PLACE = Feature(name="place", type=String(), nullable=True)
NOTE = Feature(name="note", type=String(), nullable=True)

NUMBERS = RingCodec((COUNT, MEAN, FLAG))
TEXTS = RingCodec((PLACE, COUNT, NOTE))


def ring(codec: RingCodec, rows: list[dict[str, Any]], *, evicted: bool = False) -> bytes:
    packed = [] if evicted else [codec.origin]
    return HEADER.pack(rows[-1]["window_end_ms"]) + b"".join(packed + [codec.pack(r) for r in rows])


LookUp = Callable[..., Any]


@pytest.fixture(scope="module")
def look_up(stack: EmbeddedStack) -> LookUp:
    redis = connect(stack.redis_address)
    script = load_script(redis, "read_rows")

    def found(codec: RingCodec, rings: list[bytes | None], *wanted: tuple[int, int]) -> Any:
        for number, packed in enumerate(rings):
            redis.delete(f"ring:{number}")
            if packed is not None:
                redis.set(f"ring:{number}", packed)
        asked = [(which, as_of) for which, as_of in wanted if which >= 0]
        answer: Any = redis.evalsha(
            script,
            len(asked),
            *[f"ring:{which}" for which, _ in asked],
            codec.row_bytes,
            codec.origin,
            codec.ahead,
            np.array([as_of for _, as_of in asked], "<i8").tobytes(),
        )
        numbers = iter(range(len(asked)))
        which = [next(numbers) if ring >= 0 else -1 for ring, _ in wanted]
        return codec.unpack(answer, np.array(which, dtype=np.int64))

    return found


def ends(rows: Any) -> list[int | None]:
    pairs = zip(rows.window_end_ms.tolist(), rows.found.tolist(), strict=True)
    return [end if found else None for end, found in pairs]


def numbers(end: int, count: int, mean: float | None = None, *, flag: bool | None = None) -> Any:
    return {"window_end_ms": end, "count": count, "mean": mean, "flag": flag}


def test_each_request_gets_the_newest_row_it_may_see(look_up: LookUp) -> None:
    first = ring(NUMBERS, [numbers(10, 1, 0.5, flag=True), numbers(40, 2, flag=False)])
    other = ring(NUMBERS, [numbers(-50, 7, -0.1)])

    rows = look_up(NUMBERS, [first, other], (0, 40), (1, 40), (0, 30), (0, 10), (0, 99), (1, -50))

    assert ends(rows) == [40, -50, 10, 10, 40, -50]
    assert rows.columns["count"].tolist() == [2, 7, 1, 1, 2, 7]
    np.testing.assert_array_equal(rows.columns["mean"], [np.nan, -0.1, 0.5, 0.5, np.nan, -0.1])
    np.testing.assert_array_equal(rows.columns["flag"], [0, np.nan, 1, 1, 0, np.nan])
    assert not rows.ahead.any()


def test_before_the_first_row_there_is_no_row(look_up: LookUp) -> None:
    rows = look_up(NUMBERS, [ring(NUMBERS, [numbers(10, 1)])], (0, 0), (0, -(10**12)))

    assert ends(rows) == [None, None]
    assert np.isnan(rows.columns["count"]).all()
    assert not rows.ahead.any()


def test_an_evicted_ring_says_that_it_does_not_reach_back(look_up: LookUp) -> None:
    rows = look_up(NUMBERS, [ring(NUMBERS, [numbers(10, 1)], evicted=True)], (0, 0), (0, 10))

    assert ends(rows) == [None, 10]
    assert np.isnan(rows.columns["count"][0])
    assert rows.ahead.tolist() == [True, False]


@pytest.mark.parametrize("codec", [NUMBERS, TEXTS])
def test_unknown_entities_and_null_keys_have_no_row(look_up: LookUp, codec: RingCodec) -> None:
    rows = look_up(codec, [None], (0, 50), (-1, 50))

    assert ends(rows) == [None, None]
    assert not rows.ahead.any()
    assert np.isnan(rows.columns["count"]).all()
    assert ends(look_up(codec, [], (-1, 50))) == [None]
    assert ends(look_up(codec, [None])) == []


def test_text_comes_back_as_it_was(look_up: LookUp) -> None:
    values = ["", "JFK", None, "Zürich \U0001f6eb", "a\x00b"]
    packed = ring(
        TEXTS,
        [
            {"window_end_ms": 10 * index, "count": index, "place": value, "note": value}
            for index, value in enumerate(values)
        ],
    )

    rows = look_up(TEXTS, [None, packed], *((1, 10 * index) for index in range(5)), (0, 10))

    assert rows.columns["place"].tolist() == [*values, None]
    assert rows.columns["note"].tolist() == [*values, None]
    np.testing.assert_array_equal(rows.columns["count"], [0, 1, 2, 3, 4, np.nan])


def test_whole_numbers_are_exact_within_53_bits(look_up: LookUp) -> None:
    rows = look_up(NUMBERS, [ring(NUMBERS, [numbers(10, 2**53 - 1)])], (0, 10))

    assert int(rows.columns["count"][0]) == 2**53 - 1


@pytest.mark.parametrize("count", [2**63 - 1, -(2**63), 2**53 + 1, 2**53 + 3, 2**62 + 2**9 + 1])
def test_larger_whole_numbers_are_the_nearest_double(look_up: LookUp, count: int) -> None:
    rows = look_up(NUMBERS, [ring(NUMBERS, [numbers(10, count)])], (0, 10))

    assert rows.columns["count"].tobytes() == np.float64(float(count)).tobytes()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.1000000000000000000", 0.1),
        ("-0.0000000000000000001", -1e-19),
        ("9" * 19 + "." + "9" * 19, 1e19),
        ("1.0000000000000001111", 1.0000000000000002),
        ("1.0000000000000001110", 1.0),
        ("9007199254740993.0000000000000000000", 2.0**53),
        ("9007199254740993.0000000000000000001", 2.0**53 + 2),
    ],
)
def test_a_decimal_is_the_nearest_double(look_up: LookUp, text: str, expected: float) -> None:
    codec = RingCodec((SUM,))

    rows = look_up(codec, [ring(codec, [{"window_end_ms": 10, "sum": Number(text)}])], (0, 10))

    assert rows.columns["sum"].tobytes() == np.float64(expected).tobytes()


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_look_up_agrees_with_a_search_by_hand(look_up: LookUp, data: st.DataObject) -> None:
    slots = st.lists(st.integers(-20, 20), min_size=1, max_size=8, unique=True).map(sorted)
    entities = data.draw(st.lists(st.none() | st.tuples(slots, st.booleans()), max_size=4))
    rings = [
        entity
        and ring(NUMBERS, [numbers(10 * slot, slot) for slot in entity[0]], evicted=entity[1])
        for entity in entities
    ]
    wanted = data.draw(
        st.lists(st.tuples(st.integers(-1, len(entities) - 1), st.integers(-25, 25)), max_size=10)
    )

    rows = look_up(NUMBERS, rings, *((which, 10 * slot) for which, slot in wanted))

    for index, (which, slot) in enumerate(wanted):
        entity = entities[which] if which >= 0 else None
        seen = [known for known in entity[0] if known <= slot] if entity else []
        assert ends(rows)[index] == (10 * seen[-1] if seen else None)
        assert bool(rows.ahead[index]) == bool(entity and entity[1] and not seen)
        np.testing.assert_array_equal(rows.columns["count"][index], seen[-1] if seen else np.nan)
