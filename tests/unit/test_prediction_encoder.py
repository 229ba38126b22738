"""The encoder of predictions: byte for byte what the Avro library writes."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.prediction import Mark, Predictions, ViewReceipt
from models.scorer import ScoredBatch
from streaming.kafka.avro import AvroCodec
from streaming.kafka.schemas import prediction_schema
from streaming.scoring.prediction_encoder import Origin, PredictionEncoder

CODEC = AvroCodec(prediction_schema())
INT64 = st.integers(-(2**63), 2**63 - 1)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
KEYS = st.none() | TEXT | INT64


def definition(keys: tuple[str, ...], views: int) -> Any:
    """Just what `Predictions` reads of a service, so that any names and counts can be tried."""
    view = SimpleNamespace(join_keys=[SimpleNamespace(name=name) for name in keys])
    return SimpleNamespace(name="fraud ü", views=(view,) * max(views, 1 if keys else 0))


def column(data: st.DataObject, n: int, values: st.SearchStrategy[Any], dtype: Any) -> Any:
    array = np.empty(n, dtype=dtype)
    array[:] = data.draw(st.lists(values, min_size=n, max_size=n))
    return array


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_each_byte_is_that_of_the_library(data: st.DataObject) -> None:
    n, features, views = (data.draw(st.integers(*each)) for each in ((0, 4), (1, 5), (0, 3)))
    keys = tuple(data.draw(st.lists(TEXT, unique=True, max_size=2)))
    manifest: Any = SimpleNamespace(service_fingerprint="0f" * 6, booster_sha256="ab" * 32)
    model: Any = SimpleNamespace(version="7", manifest=manifest)
    predictions = Predictions(
        service=definition(keys, views),
        model=model,
        scored=ScoredBatch(
            vectors=column(data, n * features, st.floats(), float).reshape(n, features),
            scores=column(data, n, st.floats(width=32), np.float32),
            decisions=column(data, n, st.booleans(), bool),
        ),
        receipts=tuple(
            ViewReceipt(
                view=data.draw(TEXT),
                fingerprint="12" * 6,
                as_of_ms=column(data, n, INT64, np.int64),
                window_end_ms=column(data, n, INT64, np.int64),
                found=column(data, n, st.booleans(), bool),
                marks=column(data, n, st.none() | st.sampled_from(Mark), object),
            )
            for _ in range(views)
        ),
    )
    requests = [
        {
            "event_id": data.draw(TEXT),
            "event_time_ms": data.draw(INT64),
            **{key: data.draw(KEYS) for key in keys},
        }
        for _ in range(n)
    ]
    origins = [Origin(data.draw(TEXT), data.draw(st.integers(-1, 99)), at) for at in range(n)]
    logged = data.draw(st.none() | st.lists(st.none() | st.binary(), min_size=n, max_size=n))

    encoded = PredictionEncoder().encode(
        predictions, requests, origins, scored_at_ms=1_700_000_000_123, logged=logged
    )

    assert encoded == [
        CODEC.encode_single_object(
            {
                **record,
                "source_topic": origin.topic,
                "source_partition": origin.partition,
                "source_offset": origin.offset,
                "scored_at_ms": 1_700_000_000_123,
                "request": logged and logged[row],
            }
        )
        for row, (record, origin) in enumerate(
            zip(predictions.records(requests), origins, strict=True)
        )
    ]


@pytest.mark.parametrize("number", [0, -1, 1, 63, 64, -64, -65, 2**63 - 1, -(2**63)])
def test_integers_of_any_length(number: int) -> None:
    origin = Origin("", -1, number)
    manifest: Any = SimpleNamespace(service_fingerprint="", booster_sha256="")
    predictions = Predictions(
        service=definition((), 0),
        model=SimpleNamespace(version="", manifest=manifest),  # type: ignore[arg-type]
        scored=ScoredBatch(
            vectors=np.zeros((1, 1)), scores=np.zeros(1, np.float32), decisions=np.zeros(1, bool)
        ),
        receipts=(),
    )
    (value,) = PredictionEncoder().encode(
        predictions, [{"event_id": "", "event_time_ms": 0}], [origin], scored_at_ms=0
    )
    assert CODEC.decode(CODEC.bare(value))["source_offset"] == number
