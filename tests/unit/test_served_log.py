"""Records of what was answered over HTTP: the prediction, and the request that no log has."""

from collections.abc import Sequence

import numpy as np
import pytest
from endpoint_parts import VIEW, EmptyStore, scorer

from feature_repo.ring import Integers
from models.columns import columns_of_requests
from models.endpoint.serving import LogUnavailableError
from models.prediction import Predictions, ViewReceipt
from streaming.kafka.avro import AvroCodec
from streaming.kafka.client import KafkaUnreachableError
from streaming.kafka.confirmed import ConfirmedWriter
from streaming.kafka.record import OutputRecord
from streaming.kafka.schemas import event_schema, prediction_schema
from streaming.scoring.served_log import ServedLog
from tests import tiny_model

SERVICE = tiny_model.service
REQUESTS = [
    {
        "event_id": f"é{number}",
        "event_time_ms": 1_700_000_000_000 + number,
        "card": "a",
        "country": None,
        "amount": number,
        "fraud": None,
    }
    for number in range(3)
]


class Kept(ConfirmedWriter):
    """Keeps the records instead of sending them."""

    def __init__(self, error: Exception | None = None) -> None:
        self.records: list[OutputRecord] = []
        self.error = error

    def write(self, records: Sequence[OutputRecord]) -> None:
        if self.error is not None:
            raise self.error
        self.records += records


def predictions() -> Predictions:
    n = len(REQUESTS)
    nothing: Integers = np.zeros(n, dtype=np.int64)
    rows = EmptyStore().nothing(VIEW, n)
    receipt = ViewReceipt(
        view=VIEW.name,
        fingerprint="f",
        as_of_ms=nothing,
        window_end_ms=nothing,
        found=nothing.astype(bool),
        marks=np.full(n, None, dtype=object),
    )
    columns = {**columns_of_requests(SERVICE, REQUESTS), **rows.columns}
    used = scorer()
    return Predictions(
        service=SERVICE, model=used.model, scored=used.score(columns), receipts=(receipt,)
    )


def test_a_record_brings_its_request_along() -> None:
    kept = Kept()
    ServedLog(SERVICE, kept).write(predictions(), REQUESTS, scored_at_ms=9)
    codec, events = AvroCodec(prediction_schema()), AvroCodec(event_schema(SERVICE.request))
    assert len(kept.records) == len(REQUESTS)
    for record, request in zip(kept.records, REQUESTS, strict=True):
        assert record.topic == "predictions.fraud.http"
        assert record.key == request["event_id"].encode()
        prediction = codec.decode(codec.bare(record.value or b""))
        assert events.decode(prediction["request"]) == request
        assert (prediction["source_topic"], prediction["source_partition"]) == ("", -1)
        assert (prediction["source_offset"], prediction["scored_at_ms"]) == (-1, 9)
        assert prediction["event_time_ms"] == request["event_time_ms"]


def test_what_kafka_does_not_take_is_not_known_to_be_kept() -> None:
    log = ServedLog(SERVICE, Kept(KafkaUnreachableError("nobody there")))
    with pytest.raises(LogUnavailableError, match="does not confirm: nobody there"):
        log.write(predictions(), REQUESTS, scored_at_ms=9)
