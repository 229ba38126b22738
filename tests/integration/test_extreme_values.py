"""Every type of the language, at its extremes, is the same in all stores: exact, or its double."""

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import Any

import feast
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from value_definitions import DEFINITIONS, place, values

from feature_repo.feast_objects import apply
from feature_repo.offline import offline_path, offline_schema
from feature_repo.online_store import connect
from feature_repo.reader import OnlineReader
from feature_repo.rendering import open_store
from feature_repo.writer import InputSlice, OnlineWriter, RowStep
from features.fields import INT64_MAX, INT64_MIN, String
from features.fields import Decimal as Type
from features.instant import from_ms
from models.columns import columns_of_frame, columns_of_requests
from models.dataset import request_rows, training_set
from models.vector import FeatureVectorizer
from streaming.kafka.avro import AvroCodec
from streaming.kafka.rows import RowDecoder
from streaming.kafka.schemas import feature_row_schema
from streaming.local.stack import EmbeddedStack

pytestmark = pytest.mark.valkey

PROJECT = "values"
MODULE = "value_definitions"
WINDOW_END_MS = 1_700_000_000_000
KNOWN_MS = WINDOW_END_MS + place.source.lateness_ms
NAMES = [feature.name for feature in place.features]

TIE = 2**53 + 1
NINES = Type(precision=38).range_units[1]
TINY = Type(precision=38, scale=38).from_units(1)


def digits(units: int, scale: int) -> Decimal:
    """Return units of the last digit; arithmetic would round to the 28 digits of the context."""
    return Type(precision=38, scale=scale).from_units(units)


# Two ways to write the same letters are two places.
TEXTS = ["", "\x00", "a\x00b", "\x01\n\t\\'\"`", "Zu\u0308rich", "Z\u00fcrich", "\U0001f6eb\u200d",
         "\u202eabc\uffff", "NA", "null"]  # fmt: skip
ROWS: list[tuple[Any, ...]] = [
    ("", INT64_MAX, 1, digits(NINES, 0), INT64_MAX, TINY, digits(NINES, 19), digits(1, 2),
     5e-324, 1.7976931348623157e308, True, 0, ""),
    ("", INT64_MIN, TIE, digits(-NINES, 0), INT64_MIN, digits(-NINES, 38), digits(-NINES, 19),
     digits(-NINES, 2), -0.0, 0.1, False, 2**52, "\x00"),
    ("", TIE, TIE + 1, Decimal(TIE), TIE, Decimal("0." + "3" * 38), Decimal("0." + "3" * 19),
     Decimal("0.00"), 1 / 3, 1 / 3, None, WINDOW_END_MS - 1, None),
    ("", 0, 0, Decimal(0), None, None, None, Decimal("0.00"), None, None, None, None, None),
    *(
        (text, index, index, Decimal(-index), -index, None, Decimal(index), Decimal("1.50"),
         None, float(index), index % 2 == 0, index, text)
        for index, text in enumerate(TEXTS[1:])
    ),
]  # fmt: skip
PRICES = [Decimal("1.5"), None, digits(NINES, 19), digits(-1, 19), Decimal("1E+18")]


def row(at: int) -> dict[str, Any]:
    return dict(zip(("place", "number", *NAMES), ROWS[at], strict=True))


def rows() -> list[dict[str, Any]]:
    return [row(at) | {"window_end_ms": WINDOW_END_MS} for at in range(len(ROWS))]


def requests() -> list[dict[str, Any]]:
    """One for each entity, then one of nobody and one of null."""
    nothing = {field.name: None for field in values.request.fields}
    entities = [{"place": row["place"], "number": row["number"]} for row in rows()]
    entities += [{"place": "nobody", "number": 1}, {"place": None, "number": INT64_MAX}]
    return [
        nothing
        | entity
        | {
            "event_id": f"{at:03}",
            "event_time_ms": KNOWN_MS,
            "price": PRICES[at % len(PRICES)],
            "ratio": [0.1, None, -1e30][at % 3],
        }
        for at, entity in enumerate(entities)
    ]


@dataclass(frozen=True)
class Stores:
    """Feast, and the ring reader beside it."""

    feast: feast.FeatureStore
    reader: OnlineReader


@pytest.fixture(scope="module")
def stores(stack: EmbeddedStack, tmp_path_factory: pytest.TempPathFactory) -> Stores:
    """The rows, through Avro, in the online store; and in a Parquet file offline."""
    root = tmp_path_factory.mktemp("offline")
    own = open_store(
        tmp_path_factory.mktemp("feast"), online_store=stack.redis_address, project=PROJECT
    )
    apply(own, MODULE, root)
    instants = {"event_timestamp": from_ms(KNOWN_MS), "window_end": from_ms(WINDOW_END_MS)}
    table = pa.Table.from_pylist([row | instants for row in rows()], schema=offline_schema(place))
    pq.write_table(table, offline_path(root, place) / "rows.parquet")
    redis = connect(stack.redis_address)
    codec = AvroCodec(feature_row_schema(place))
    decoded = RowDecoder(feature_row_schema(place)).decode([codec.encode(row) for row in rows()])
    writer = OnlineWriter(redis, project=PROJECT, views=DEFINITIONS.views, ring_slides=2)
    source = InputSlice(topic=place.name, partition=0, first_offset=0, next_offset=len(rows()))
    assert writer.apply([RowStep(view=place, rows=decoded, source=source)]) == [len(rows())]
    return Stores(own, OnlineReader(redis, project=PROJECT, views=DEFINITIONS.views))


def bits(value: Any) -> Any:
    """Return a value so that equality is identity of type and bits."""
    if isinstance(value, float):
        return struct.pack("<d", value)
    return type(value).__name__, value


def different(found: Sequence[dict[str, Any]], expected: Sequence[dict[str, Any]]) -> set[str]:
    """Names of the features that are not the same everywhere."""
    return {
        name
        for answer, row in zip(found, expected, strict=True)
        for name in NAMES
        if bits(answer[name]) != bits(row[name])
    }


def answers() -> list[dict[str, Any]]:
    """What the requests shall get; a never seen entity and a null key get nulls."""
    return rows() + [dict.fromkeys(NAMES)] * 2


def online(stores: Stores) -> list[dict[str, Any]]:
    names = [field.name for field in values.request.fields] + ["event_time_ms"]
    asked = [{name: request[name] for name in names} for request in requests()]
    service = stores.feast.get_feature_service("values")
    columns = stores.feast.get_online_features(service, asked).to_dict()
    return [dict(zip(columns, each, strict=True)) for each in zip(*columns.values(), strict=True)]


def offline(stores: Stores) -> list[dict[str, Any]]:
    """Ask for the Arrow table: pandas has no integers with nulls, it makes doubles of them."""
    job = stores.feast.get_historical_features(
        request_rows(values, requests()), stores.feast.get_feature_service("values")
    )
    found: list[dict[str, Any]] = job.to_arrow().sort_by("event_id").to_pylist()
    return found


def neighbour(value: Any) -> Any:
    """Return the least different value of the same type."""
    match value:
        case bool():
            return not value
        case int():
            return value - 1 if value > 0 else value + 1
        case float():
            return math.nextafter(value, 0.5)
        case Decimal():
            with localcontext(prec=50):
                return value + Decimal((0, (1,), value.as_tuple().exponent))  # type: ignore[arg-type]
    return f"{value}\x00"


def test_a_plain_client_gets_exact_values_online(stores: Stores) -> None:
    assert different(online(stores), answers()) == set()


def test_a_plain_client_gets_exact_values_offline(stores: Stores) -> None:
    assert different(offline(stores), answers()) == set()


def test_a_frame_holds_decimals_and_text_as_they_are(stores: Stores) -> None:
    service = stores.feast.get_feature_service("values")
    job = stores.feast.get_historical_features(request_rows(values, requests()), service)
    frame = job.to_df().sort_values("event_id")

    for feature in place.features:
        if isinstance(feature.type, Type | String):
            found = [None if pd.isna(value) else value for value in frame[feature.name]]
            expected = [row[feature.name] for row in answers()]
            assert list(map(bits, found)) == list(map(bits, expected)), feature.name


@pytest.mark.parametrize("name", NAMES)
def test_the_least_difference_is_found(stores: Stores, name: str) -> None:
    changed = answers()
    changed[0] = changed[0] | {name: neighbour(changed[0][name])}

    assert different(online(stores), changed) == {name}
    assert different(offline(stores), changed) == {name}


def test_the_ring_holds_the_nearest_doubles_and_the_text(stores: Stores) -> None:
    keys = [(request["place"], request["number"]) for request in requests()]
    found = stores.reader.read(place, keys, np.full(len(keys), WINDOW_END_MS)).columns

    for feature in place.features:
        expected = [row[feature.name] for row in answers()]
        if isinstance(feature.type, String):
            assert found[feature.name].tolist() == expected
        else:
            doubles = [math.nan if value is None else float(value) for value in expected]
            assert found[feature.name].tobytes() == np.array(doubles).tobytes(), feature.name


def test_a_model_is_trained_on_the_bits_that_it_is_served(stores: Stores) -> None:
    finite = [request for at, request in enumerate(requests()) if at > 0]
    keys = [(request["place"], request["number"]) for request in finite]
    rows_served = stores.reader.read(place, keys, np.full(len(keys), WINDOW_END_MS))
    vectorizer = FeatureVectorizer(values, {"place_note_last": tuple(TEXTS)})
    service = values

    served = vectorizer.vectors({**columns_of_requests(service, finite), **rows_served.columns})
    frame = training_set(stores.feast, service, request_rows(service, finite))
    learned = vectorizer.vectors(columns_of_frame(service, frame))
    computed = {feature.name for feature in service.on_demand}
    alone = columns_of_frame(service, frame.drop(columns=list(computed)))

    assert learned.tobytes() == served.tobytes()
    assert vectorizer.vectors(alone).tobytes() == served.tobytes()
    assert np.isnan(served).any()
    by_name = dict(zip(service.features, served[1], strict=True))
    assert by_name["place_number_sum"] == float(TIE) == 2.0**53
    assert by_name["same_share"] == 1 / 3
    assert by_name["same_price"] == by_name["price"] == float(PRICES[2])
