"""The log of the predictions that were answered over HTTP."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from features.service import FeatureService
from features.source import EVENT_ID
from models.endpoint.serving import LogUnavailableError
from models.prediction import Predictions
from streaming.kafka.avro import AvroCodec
from streaming.kafka.client import KafkaUnreachableError
from streaming.kafka.confirmed import ConfirmedWriter
from streaming.kafka.record import OutputRecord
from streaming.kafka.schemas import event_schema, prediction_schema
from streaming.kafka.sending import OutputError
from streaming.kafka.topics import http_predictions_topic
from streaming.scoring.prediction_encoder import Origin, PredictionEncoder

_NOWHERE = Origin()

_log = logging.getLogger(__name__)


class ServedLog:
    """Keeps the predictions of one service together with their requests, which no log has."""

    def __init__(self, service: FeatureService, writer: ConfirmedWriter) -> None:
        """Take the connection to Kafka, which services share."""
        self._topic = http_predictions_topic(service)
        self._events = AvroCodec(event_schema(service.request))
        self._records = AvroCodec(prediction_schema())
        self._encoder = PredictionEncoder()
        self._writer = writer

    def write(
        self,
        predictions: Predictions,
        requests: Sequence[Mapping[str, Any]],
        *,
        scored_at_ms: int,
    ) -> None:
        """Return when the broker has confirmed every prediction.

        Raises:
            LogUnavailableError: it has not.
        """
        values = self._encoder.encode(
            predictions,
            requests,
            [_NOWHERE] * len(requests),
            scored_at_ms=scored_at_ms,
            logged=[self._events.encode(dict(request)) for request in requests],
        )
        self._write([request[EVENT_ID] for request in requests], values)

    def write_again(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Return when the broker has confirmed precomputed predictions, each under a new id.

        Args:
            records: predictions as they were kept, with other ids.

        Raises:
            LogUnavailableError: it has not.
        """
        values = []
        for record in records:
            request = self._events.decode(record["request"]) | {EVENT_ID: record[EVENT_ID]}
            logged = {**record, "request": self._events.encode(request)}
            values.append(self._records.encode_single_object(logged))
        self._write([record[EVENT_ID] for record in records], values)

    def _write(self, ids: Sequence[str], values: Sequence[bytes]) -> None:
        outputs = [
            OutputRecord(self._topic, None, id_.encode(), value)
            for id_, value in zip(ids, values, strict=True)
        ]
        try:
            self._writer.write(outputs)
        except (OutputError, KafkaUnreachableError) as error:
            _log.warning("%d predictions are not answered: %s", len(ids), error)
            msg = f"the log of predictions does not confirm: {error}"
            raise LogUnavailableError(msg) from error
