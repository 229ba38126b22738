"""Random definitions over one schema that has a column of every type."""

import decimal
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st

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
from features.fields import (
    INT64_MAX,
    INT64_MIN,
    Bool,
    Decimal,
    Field,
    Float64,
    Int64,
    String,
    TimestampMs,
)
from features.filter import And, Comparison, Condition, Filter, IsNull, Not, Or
from features.instant import from_ms
from features.source import EventSource
from features.view import FeatureView
from features.window import SlidingWindow

TEXTS = ("", "x", "xx", "Zürich", "\U0001f680", "e\u0301", "it's", "a\\b\nc", "\u20ac\uffff")
INTS = (0, 1, -1, 7, INT64_MAX, INT64_MIN, 2**53 + 1)
FLOATS = (0.0, 0.1, -2.5, 1e300, 5e-324, 1 / 3)
PRICES = tuple(map(decimal.Decimal, ("0.00", "0.01", "-0.10", "19.99", "90000.00", "-90000.00")))
PRECISE = tuple(
    map(decimal.Decimal, ("0E-10", "1E-10", "-12345678901234.0123456789", "7.5000000000"))
)

FIELDS = (
    Field(name="stream", type=Int64()),
    Field(name="key", type=String(), nullable=True),
    Field(name="order", type=Int64(), nullable=True),
    Field(name="small", type=Int64(minimum=-5_000, maximum=5_000), nullable=True),
    Field(name="wide", type=Int64(), nullable=True),
    Field(
        name="price",
        type=Decimal(
            precision=9,
            scale=2,
            minimum=decimal.Decimal(-90_000),
            maximum=decimal.Decimal(90_000),
        ),
        nullable=True,
    ),
    Field(name="precise", type=Decimal(precision=24, scale=10), nullable=True),
    Field(name="weight", type=Float64(), nullable=True),
    Field(name="flag", type=Bool(), nullable=True),
    Field(name="text", type=String(), nullable=True),
    Field(name="at", type=TimestampMs(), nullable=True),
)
ENTITIES = (
    Entity(name="key_of_stream", join_keys=("stream", "key")),
    Entity(name="order_of_stream", join_keys=("order", "stream")),
    Entity(name="whole_stream", join_keys=("stream",)),
    Entity(name="pair_of_stream", join_keys=("key", "stream", "order")),
)

_SUMMED = ("small", "wide", "price", "precise", "flag")
_ORDERED = ("small", "wide", "price", "precise", "weight", "at", "event_time")
_ANY = (*_ORDERED, "flag", "text")
_COLUMNS: dict[type[Any], tuple[str, ...]] = {
    Sum: _SUMMED,
    Mean: _SUMMED,
    StdDev: ("small", "price", "flag"),
    Min: _ORDERED,
    Max: _ORDERED,
    First: _ANY,
    Last: _ANY,
    CountDistinct: _ANY,
}
_LITERALS: dict[str, st.SearchStrategy[Any]] = {
    "key": st.sampled_from(TEXTS),
    "text": st.sampled_from(TEXTS),
    "small": st.integers(-5_000, 5_000),
    "wide": st.sampled_from(INTS),
    "price": st.sampled_from(PRICES),
    "precise": st.sampled_from(PRECISE),
    "weight": st.sampled_from(FLOATS),
    "flag": st.booleans(),
    "at": st.sampled_from((from_ms(0), from_ms(1_400_000_000_123))),
    "event_time": st.sampled_from((from_ms(0), from_ms(1_400_000_000_123))),
}
_SLIDES = [timedelta(seconds=1), timedelta(seconds=20), timedelta(minutes=15), timedelta(days=1)]


@st.composite
def conditions(draw: st.DrawFn, depth: int = 2) -> Condition:
    """Conditions of every kind, with literals of the type of their column."""
    kind = draw(st.sampled_from(["compare", "null"] + ["not", "and", "or"] * (depth > 0)))
    if kind == "not":
        return Not(draw(conditions(depth - 1)))
    if kind in ("and", "or"):
        parts = tuple(draw(st.lists(conditions(depth - 1), min_size=1, max_size=3)))
        return And(parts) if kind == "and" else Or(parts)
    column = draw(st.sampled_from(sorted(_LITERALS)))
    if kind == "null":
        return IsNull(column)
    operators = ["==", "!="] + ["<", "<=", ">", ">="] * (column != "flag")
    return Comparison(column, draw(st.sampled_from(operators)), draw(_LITERALS[column]))


@st.composite
def aggregations(draw: st.DrawFn, filters: list[Filter]) -> Aggregation:
    """One aggregation over a column that it takes, with one of the filters or without."""
    where = draw(st.sampled_from([None, *filters]))
    kind = draw(st.sampled_from([Count, *_COLUMNS]))
    if kind is Count:
        return Count(where=where)
    made: Aggregation = kind(draw(st.sampled_from(_COLUMNS[kind])), where=where)
    return made


@st.composite
def windows(draw: st.DrawFn, slide: timedelta) -> SlidingWindow:
    """Windows of one to thirty slides, whose slide is near the one given."""
    own = slide * draw(st.sampled_from([1, 3]))
    return SlidingWindow(size=own * draw(st.sampled_from([1, 2, 5, 12, 30])), slide=own)


@st.composite
def definitions(draw: st.DrawFn, name: str, *, sources: int = 2, views: int = 3) -> Definitions:
    """Views over one or two sources of different lateness, all about the same span of time."""
    slide = draw(st.sampled_from(_SLIDES))
    defined = [
        EventSource(
            name=f"{name}_{number}",
            fields=FIELDS,
            lateness=draw(st.sampled_from([slide / 4, slide, 5 * slide])),
            max_clock_skew=timedelta(milliseconds=1),
        )
        for number in range(draw(st.integers(1, sources)))
    ]
    made = []
    for number in range(draw(st.integers(len(defined), views))):
        filters = [Filter(f"f{at}", draw(conditions())) for at in range(draw(st.integers(0, 2)))]
        chosen = draw(
            st.lists(
                aggregations(filters),
                min_size=1,
                max_size=6,
                unique_by=lambda each: (each.word, each.columns(), each.where and each.where.name),
            )
        )
        made.append(
            FeatureView(
                name=f"{name}_v{number}",
                source=defined[number % len(defined)],
                entity=draw(st.sampled_from(ENTITIES)),
                window=draw(windows(slide)),
                aggregations=tuple(chosen),
            )
        )
    return Definitions(views=tuple(made), services=())


@st.composite
def several_definitions(draw: st.DrawFn, name: str, *, most: int) -> Definitions:
    """Up to that many sets of definitions in one, as one job computes them faster than several."""
    number = draw(st.integers(1, most))
    sets = [draw(definitions(f"{name}_{at}", views=2)) for at in range(number)]
    return Definitions(views=tuple(view for each in sets for view in each.views), services=())
