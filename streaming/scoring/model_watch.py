"""Following promotions: an endpoint uses the newest model that can be loaded."""

import logging
import threading
from collections.abc import Iterable

from features.errors import SamestreamError
from models.endpoint.serving import ServedService
from models.loading import load_model
from models.scorer import Scorer
from streaming.kafka.connection import KafkaConnection
from streaming.kafka.follower import LogFollower
from streaming.kafka.topics import promotions_topic
from streaming.scoring.promotion import parse_promotion

_POLL_MS = 500
_FINISH_SECONDS = 5.0

_log = logging.getLogger(__name__)


class ModelWatch:
    """A thread that gives services their models, now and with every promotion to come."""

    def __init__(
        self, kafka: KafkaConnection, services: Iterable[ServedService], *, nthread: int
    ) -> None:
        """Nothing is started.

        Args:
            kafka: has the promotions.
            services: that get models.
            nthread: threads that scoring may use.
        """
        self._services = {promotions_topic(served.service): served for served in services}
        self._nthread = nthread
        self._stop = threading.Event()
        self._follower = LogFollower(
            kafka,
            {(topic, 0): 0 for topic in self._services},
            start_over="promote a model and start the endpoint again",
        )
        self._thread = threading.Thread(target=self._run, name="promotions", daemon=True)

    def start(self) -> None:
        """Begin with the promotions so far."""
        self._thread.start()

    def close(self) -> None:
        """End the thread; one that is loading a model is not waited for long."""
        self._stop.set()
        self._thread.join(_FINISH_SECONDS)

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                for promoted in self._follower.poll(_POLL_MS):
                    served = self._services[promoted.topic]
                    for value in reversed(promoted.values):
                        if self._load(served, value):
                            break
        except Exception as error:  # noqa: BLE001 - whatever it was, models stay as they are
            _log.exception("promotions can no longer be followed")
            for served in self._services.values():
                served.trouble = f"promotions can no longer be followed: {error}"
        finally:
            self._follower.close()

    def _load(self, served: ServedService, value: bytes) -> bool:
        """Use the model of a promotion; one that cannot be used leaves the former in place."""
        name = served.service.name
        try:
            promotion = parse_promotion(value)
            version = promotion.model_version
            model = load_model(promotion.path, version, served.service, nthread=self._nthread)
            served.use(Scorer(served.service, model))
        except (SamestreamError, ValueError, TypeError, KeyError, AttributeError):
            _log.exception("service %r: a promotion is not used: %r", name, value)
            return False
        _log.info("service %r: model version %s is in use", name, version)
        return True
