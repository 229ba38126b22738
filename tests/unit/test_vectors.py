from collections.abc import Callable, Iterable
from decimal import Decimal as Number
from typing import Any

import numpy as np
import pandas as pd
import pytest

from features.fields import Decimal, FieldType, Int64
from models.columns import as_column, columns_of_frame, columns_of_requests
from models.dataset import entity_rows
from models.errors import VectorError
from models.narrowing import narrowed
from models.vector import FeatureVectorizer
from tests import tiny_model

VOCABULARIES = {"card_1h_country_last": ("de", "fr"), "country": ("de", "us")}


def columns(**changed: Any) -> dict[str, Any]:
    return {
        "event_time_ms": np.array([0.0, 60_000.0]),
        "country": np.array(["us", None], dtype=object),
        "amount": np.array([10.0, 30.0]),
        "card_1h_count": np.array([4.0, np.nan]),
        "card_1h_country_last": np.array(["fr", "zz"], dtype=object),
        **changed,
    }


def vectorizer() -> FeatureVectorizer:
    return FeatureVectorizer(tiny_model.service, VOCABULARIES)


def test_vectors_have_the_order_of_the_service_and_categories_as_codes() -> None:
    vectors = vectorizer().vectors(columns())
    assert vectors.dtype == np.float64
    np.testing.assert_array_equal(
        vectors,
        [[1.0, 10.0, 5.0, 1.0, 4.0], [np.nan, 30.0, np.nan, np.nan, np.nan]],
    )


def test_vectors_are_built_by_name() -> None:
    backwards = dict(reversed(columns().items()))
    np.testing.assert_array_equal(vectorizer().vectors(backwards), vectorizer().vectors(columns()))


def test_inputs_are_what_is_read() -> None:
    assert vectorizer().inputs == (
        "amount",
        "card_1h_count",
        "card_1h_country_last",
        "country",
    )
    with pytest.raises(VectorError, match=r"columns \['card_1h_count'\] are missing"):
        vectorizer().vectors({k: v for k, v in columns().items() if k != "card_1h_count"})


def test_a_computed_on_demand_feature_is_taken_and_not_computed_again() -> None:
    given = columns(per_payment=np.array([7.0, 8.0]))
    assert vectorizer().vectors(given)[:, 2].tolist() == [14.0, 16.0]
    final = {k: v for k, v in columns().items() if k in vectorizer().inputs}
    assert vectorizer().vectors({**final, "per_payment_2": np.array([1.0, 2.0])})[
        :, 2
    ].tolist() == [1.0, 2.0]


@pytest.mark.parametrize("count", [0.0, 1e-40])
def test_what_is_infinite_in_float32_is_refused_with_its_rows(count: float) -> None:
    with pytest.raises(VectorError, match=r"\['per_payment_2'\] are infinite in 1 of 2") as refused:
        vectorizer().vectors(columns(card_1h_count=np.array([4.0, count])))
    assert refused.value.rows == (1,)
    # A replay compares it all the same.
    found = vectorizer().unchecked_vectors(columns(card_1h_count=np.array([4.0, count])))
    with np.errstate(over="ignore"):
        assert np.isinf(found.astype(np.float32)).any(axis=1).tolist() == [False, True]


def test_every_null_has_the_same_bits() -> None:
    odd_nan = np.array([-np.nan, -np.nan])
    vectors = vectorizer().vectors(columns(amount=odd_nan))
    assert set(vectors[np.isnan(vectors)].view(np.uint64)) == set(
        np.array([np.nan]).view(np.uint64)
    )


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(VectorError, match="different lengths"):
        vectorizer().vectors(columns(amount=np.array([1.0])))


def test_vocabularies_must_be_those_of_the_categories() -> None:
    with pytest.raises(VectorError, match=r"got vocabularies of \['country'\]"):
        FeatureVectorizer(tiny_model.service, {"country": ("de",)})


def test_narrowing_keeps_only_what_the_features_are_made_of() -> None:
    amount = narrowed(tiny_model.service, ("amount",))
    assert (amount.views, amount.on_demand, amount.categories) == ((), (), ())
    ratio = narrowed(tiny_model.service, ("per_payment_2",))
    assert [feature.name for feature in ratio.on_demand] == ["per_payment", "per_payment_2"]
    assert ratio.views == tiny_model.service.views


def request(event_id: str, **fields: Any) -> dict[str, Any]:
    return {
        "event_id": event_id,
        "event_time_ms": 1_380_585_600_000,
        "card": "a",
        "country": None,
        "amount": None,
        "fraud": None,
        **fields,
    }


def test_requests_and_training_rows_give_the_same_columns() -> None:
    requests = [request("1", amount=3, fraud=True), request("2", country="de")]
    verdicts = [request("1", fraud=False), request("2", fraud=True)]
    served = columns_of_requests(tiny_model.service, requests)
    rows = entity_rows(tiny_model.service, requests, verdicts)
    learned = columns_of_frame(tiny_model.service, rows)
    assert served.keys() == learned.keys()
    for name, column in served.items():
        assert column.dtype == learned[name].dtype
        np.testing.assert_array_equal(column, learned[name])


def test_entity_rows_are_the_labelled_requests() -> None:
    requests = [request("1"), request("2"), request("3")]
    verdicts = [request("3", fraud=True), request("2", fraud=None), request("1", fraud=False)]
    rows = entity_rows(tiny_model.service, requests, verdicts)
    assert rows["event_id"].tolist() == ["1", "3"]
    assert rows["label"].tolist() == [False, True]
    assert rows["event_timestamp"].dtype == pd.DatetimeTZDtype("us", "UTC")
    assert rows["event_timestamp"][0] == pd.Timestamp("2013-10-01", tz="UTC")


def _objects(values: list[Any]) -> "pd.Series[Any]":
    return pd.Series(values, dtype=object)


@pytest.mark.parametrize("container", [list, iter, _objects])
@pytest.mark.parametrize(
    ("field_type", "values", "expected"),
    [
        (Int64, [2**63 - 1, -(2**63), 2**53 + 1, None], [2.0**63, -(2.0**63), 2.0**53, np.nan]),
        (Decimal, [Number("0.1"), Number("9" * 38), Number("-1E-38")], [0.1, 1e38, -1e-38]),
        (Decimal, [None, float("nan"), pd.NA, pd.NaT, Number("NaN")], [np.nan] * 5),
    ],
)
def test_numbers_become_the_nearest_double_and_every_null_nan(
    container: Callable[[list[Any]], Iterable[Any]],
    field_type: type[FieldType],
    values: list[Any],
    expected: list[float],
) -> None:
    column = as_column(field_type, container(values))

    assert column.tobytes() == np.array(expected).tobytes()


def test_pandas_makes_the_same_doubles_of_integers_with_nulls() -> None:
    integers = [2**63 - 1, -(2**63), 2**53 + 1, 2**53 + 3, 2**62 + 2**9 + 1, None]
    expected = as_column(Int64, integers).tobytes()

    assert as_column(Int64, pd.Series(integers, dtype="Int64")).tobytes() == expected
    assert as_column(Int64, pd.Series(integers, dtype="float64")).tobytes() == expected
