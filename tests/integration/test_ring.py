"""Packed rings: what is packed is found as of any instant."""

from decimal import Decimal as Number
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feature_repo.ring import HEADER, RingCodec
from features.aggregation import Feature
from features.fields import Bool, Decimal, Float64, Int64, String

SLIDE_MS = 10
COUNT = Feature(name="count", type=Int64(), nullable=False)
MEAN = Feature(name="mean", type=Float64(), nullable=True)
FLAG = Feature(name="flag", type=Bool(), nullable=True)
SUM = Feature(name="sum", type=Decimal(precision=38, scale=19), nullable=False)
PLACE = Feature(name="place", type=String(), nullable=True)
NOTE = Feature(name="note", type=String(), nullable=True)

NUMBERS = RingCodec((COUNT, MEAN, FLAG), SLIDE_MS)
TEXTS = RingCodec((PLACE, COUNT, NOTE), SLIDE_MS)


def ring(codec: RingCodec, rows: list[dict[str, Any]], *, evicted: bool = False) -> bytes:
    packed = [] if evicted else [codec.origin]
    return HEADER.pack(rows[-1]["window_end_ms"]) + b"".join(packed + [codec.pack(r) for r in rows])


def look_up(codec: RingCodec, rings: list[bytes | None], *wanted: tuple[int, int]) -> Any:
    return codec.look_up(
        rings,
        np.array([which for which, _ in wanted], dtype=np.int64),
        np.array([as_of for _, as_of in wanted], dtype=np.int64),
    )


def numbers(end: int, count: int, mean: float | None = None, *, flag: bool | None = None) -> Any:
    return {"window_end_ms": end, "count": count, "mean": mean, "flag": flag}


def test_each_request_gets_the_newest_row_it_may_see() -> None:
    first = ring(NUMBERS, [numbers(10, 1, 0.5, flag=True), numbers(40, 2, flag=False)])
    other = ring(NUMBERS, [numbers(-50, 7, -0.1)])

    rows = look_up(NUMBERS, [first, other], (0, 40), (1, 40), (0, 30), (0, 10), (0, 99), (1, -50))

    assert rows.window_end_ms == [40, -50, 10, 10, 40, -50]
    assert rows.columns["count"].tolist() == [2, 7, 1, 1, 2, 7]
    np.testing.assert_array_equal(rows.columns["mean"], [np.nan, -0.1, 0.5, 0.5, np.nan, -0.1])
    np.testing.assert_array_equal(rows.columns["flag"], [0, np.nan, 1, 1, 0, np.nan])
    assert not rows.ahead.any()


def test_before_the_first_row_there_is_no_row() -> None:
    rows = look_up(NUMBERS, [ring(NUMBERS, [numbers(10, 1)])], (0, 0), (0, -(10**12)))

    assert rows.window_end_ms == [None, None]
    assert np.isnan(rows.columns["count"]).all()
    assert not rows.ahead.any()


def test_an_evicted_ring_says_that_it_does_not_reach_back() -> None:
    rows = look_up(NUMBERS, [ring(NUMBERS, [numbers(10, 1)], evicted=True)], (0, 0), (0, 10))

    assert rows.window_end_ms == [None, 10]
    assert np.isnan(rows.columns["count"][0])
    assert rows.ahead.tolist() == [True, False]


@pytest.mark.parametrize("codec", [NUMBERS, TEXTS])
def test_unknown_entities_and_null_keys_have_no_row(codec: RingCodec) -> None:
    rows = look_up(codec, [None], (0, 50), (-1, 50))

    assert rows.window_end_ms == [None, None]
    assert not rows.ahead.any()
    assert np.isnan(rows.columns["count"]).all()
    assert look_up(codec, [], (-1, 50)).window_end_ms == [None]
    assert look_up(codec, [None]).window_end_ms == []


def test_text_comes_back_as_it_was() -> None:
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


def test_whole_numbers_are_exact_within_53_bits() -> None:
    rows = look_up(NUMBERS, [ring(NUMBERS, [numbers(10, 2**53 - 1)])], (0, 10))

    assert int(rows.columns["count"][0]) == 2**53 - 1


@pytest.mark.parametrize("count", [2**63 - 1, -(2**63), 2**53 + 1, 2**53 + 3, 2**62 + 2**9 + 1])
def test_larger_whole_numbers_are_the_nearest_double(count: int) -> None:
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
def test_a_decimal_is_the_nearest_double(text: str, expected: float) -> None:
    codec = RingCodec((SUM,), SLIDE_MS)

    rows = look_up(codec, [ring(codec, [{"window_end_ms": 10, "sum": Number(text)}])], (0, 10))

    assert rows.columns["sum"].tobytes() == np.float64(expected).tobytes()


@given(data=st.data())
def test_look_up_agrees_with_a_search_by_hand(data: st.DataObject) -> None:
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
        assert rows.window_end_ms[index] == (10 * seen[-1] if seen else None)
        assert bool(rows.ahead[index]) == bool(entity and entity[1] and not seen)
        np.testing.assert_array_equal(rows.columns["count"][index], seen[-1] if seen else np.nan)
