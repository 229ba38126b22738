"""The scoring thread: everything that waits is scored in one call."""

import logging
import threading
from collections.abc import Mapping, Sequence

from models.endpoint.admission import Call, WaitingLine
from models.endpoint.replies import Reply, problem
from models.endpoint.serving import ServedService

_BATCH_REQUESTS = 500

_log = logging.getLogger(__name__)


class ScoringThread:
    """Takes calls from the line until it is closed and empty."""

    def __init__(self, line: WaitingLine, services: Mapping[str, ServedService]) -> None:
        """Nothing is started.

        Args:
            line: where calls wait.
            services: by name.
        """
        self._line = line
        self._services = services
        # A broker that does not answer must not hold up the end of the process.
        self._thread = threading.Thread(target=self._run, name="scoring", daemon=True)

    def start(self) -> None:
        """Begin to answer calls."""
        self._thread.start()

    def finish(self, seconds: float) -> bool:
        """Close the line, wait until those in it are served; return whether they were in time."""
        self._line.close()
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while calls := self._line.take(_BATCH_REQUESTS):
            for name, service in self._services.items():
                if asked := [call for call in calls if call.service == name]:
                    replies = _answer(service, asked)
                    # One wake-up of the event loop for all of them.
                    loop = asked[0].reply.get_loop()
                    loop.call_soon_threadsafe(_deliver, asked, replies)


def _answer(service: ServedService, calls: Sequence[Call]) -> Sequence[Reply]:
    try:
        return service.answer(calls)
    except Exception:  # noqa: BLE001 - a defect must not end the thread that all others need
        _log.exception("service %r: %d calls failed", service.service.name, len(calls))
        reply = problem(500, "internal", "the call failed; the log of the server says why")
        return [reply] * len(calls)


def _deliver(calls: Sequence[Call], replies: Sequence[Reply]) -> None:
    for call, reply in zip(calls, replies, strict=True):
        if not call.reply.done():
            call.reply.set_result(reply)
