"""The endpoint of all services, on Kafka and the online store, until SIGTERM."""

import logging
import math
import threading
from datetime import timedelta

from feature_repo.online_store import connect
from feature_repo.precomputed import PrecomputedStore
from feature_repo.reader import OnlineReader
from feature_repo.rendering import PROJECT
from features.definitions import Definitions
from features.service import FeatureService
from models.endpoint.admission import WaitingLine
from models.endpoint.app import Limits, create_app
from models.endpoint.clock import StreamClock
from models.endpoint.keys import read_keys
from models.endpoint.server import listen, serve
from models.endpoint.serving import ServedService
from models.endpoint.worker import ScoringThread
from models.online import OnlineScorer
from streaming.kafka.admin import Admin
from streaming.kafka.confirmed import ConfirmedWriter
from streaming.kafka.topics import http_predictions_topic, promotions_topic
from streaming.scoring.model_watch import ModelWatch
from streaming.scoring.precomputed import PrecomputedPredictions
from streaming.scoring.served_log import ServedLog
from streaming.settings import Settings
from streaming.tuning import tune_interpreter

_log = logging.getLogger(__name__)


def run_endpoint(settings: Settings, definitions: Definitions) -> None:
    """Serve predictions of every service until SIGTERM, then answer what was accepted.

    Raises:
        ListenError: the address cannot be listened on.
        ExposedError: it is beyond loopback, and there are no API keys.
        ApiKeyError: the file of the API keys cannot be used.
        TopicError: a topic is missing, or has lost its oldest records.
    """
    keys = read_keys(settings.api_keys_file) if settings.api_keys_file is not None else None
    listener = listen(settings.http_host, settings.http_port, has_keys=keys is not None)
    with Admin(settings.kafka) as admin:
        admin.check_log(
            list(map(http_predictions_topic, definitions.services)), settings.partitions
        )
        admin.check_partitions(list(map(promotions_topic, definitions.services)), 1)
    writer = ConfirmedWriter(settings.kafka, timeout_seconds=settings.http_timeout_seconds)
    services = {
        service.name: _served(settings, service, writer) for service in definitions.services
    }
    line = WaitingLine(settings.http_queue_requests)
    watch = ModelWatch(settings.kafka, services.values(), nthread=settings.scoring_threads)
    scoring = ScoringThread(line, services)
    app = create_app(services, line, _limits(settings), keys)
    watch.start()
    scoring.start()
    tune_interpreter()
    try:
        serve(app, listener, finish_seconds=math.ceil(2 * settings.http_timeout_seconds))
    finally:
        if not scoring.finish(settings.http_timeout_seconds):
            _log.warning("the last batch is given up; its calls have had their replies")
        watch.close()
        writer.close()


def _served(settings: Settings, service: FeatureService, writer: ConfirmedWriter) -> ServedService:
    # A batch asks the store for the time, for precomputed predictions and for features; all of
    # that has to fail before its callers give up.
    timeout_seconds = min(settings.store_timeout_seconds, settings.http_timeout_seconds / 8)
    store = connect(settings.online_store, timeout_seconds=timeout_seconds)
    reader = OnlineReader(store, project=PROJECT, views=service.views)
    return ServedService(
        service,
        online=OnlineScorer(
            service,
            reader,
            max_wait_seconds=settings.http_wait_seconds,
            # A batch that has begun is finished.
            stop=threading.Event(),
        ),
        clock=StreamClock(reader, service.views, follows_wall=settings.clock == "wall"),
        log=ServedLog(service, writer),
        kept=PrecomputedPredictions(PrecomputedStore(store, project=PROJECT, service=service)),
    )


def _limits(settings: Settings) -> Limits:
    return Limits(
        requests=settings.http_max_requests,
        body_bytes=settings.http_max_body_bytes,
        body=timedelta(seconds=settings.http_timeout_seconds),
        wait=timedelta(seconds=settings.http_wait_seconds),
        reply=timedelta(seconds=settings.http_timeout_seconds),
        staleness=timedelta(seconds=settings.http_staleness_seconds),
    )
