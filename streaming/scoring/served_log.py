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
from streaming.kafka.schemas import event_schema
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
        try:
            self._writer.write(
                [
                    OutputRecord(self._topic, None, request[EVENT_ID].encode(), value)
                    for request, value in zip(requests, values, strict=True)
                ]
            )
        except (OutputError, KafkaUnreachableError) as error:
            _log.warning("%d predictions are not answered: %s", len(requests), error)
            msg = f"the log of predictions does not confirm: {error}"
            raise LogUnavailableError(msg) from error
