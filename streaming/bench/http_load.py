"""The endpoint under load: a real server process, and clients in processes of their own."""

import http.client
import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np

from features.source import EVENT_ID, EVENT_TIME_MS
from streaming.bench.processes import in_child
from streaming.bench.scoring_load import request, service
from streaming.local.ports import LOCALHOST, free_port
from streaming.local.system import environment
from streaming.local.waiting import wait_until
from streaming.settings import Settings

_PATH = f"/v1/services/{service.name}/predictions"
_READY_WITHIN = timedelta(seconds=60)
_TIMEOUT_SECONDS = 30.0
_STOP_SECONDS = 20.0
_SINGLE_CALLS = 2_000
_WARM_UP_CALLS = 300
_BATCH_REQUESTS = 100
_BATCH_CALLS = 300
_BATCH_CLIENTS = 4
_PACED_SECONDS = 10.0
_PACED_CLIENTS = 16
_OVERLOAD_CLIENTS = 64
_OVERLOAD_SECONDS = 8.0
_MILLISECONDS = 1_000


@dataclass(frozen=True, kw_only=True)
class HttpTimings:
    """What clients of the endpoint saw.

    Attributes:
        single_p50_ms: one request per call, one call at a time.
        single_p99_ms: the same.
        batch_per_second: requests a second, 100 per call, 4 calls at a time.
        half_load_per_second: calls a second of one request, half of what came through at most.
        half_load_p99_ms: from the moment at which a call was due.
        overload: replies by status, of 64 clients with 100 requests per call at once.
    """

    single_p50_ms: float
    single_p99_ms: float
    batch_per_second: float
    half_load_per_second: float
    half_load_p99_ms: float
    overload: dict[int, int]


def time_endpoint(settings: Settings) -> HttpTimings:
    """Start the endpoint and load it; the model is promoted and the online store is filled."""
    with _endpoint(settings) as port:
        singles = in_child(single_calls, port)
        batch = in_child(batch_calls, port)
        most = in_child(paced_calls, port, float("inf"))
        half = in_child(paced_calls, port, len(most) / _PACED_SECONDS / 2)
        overload = in_child(overload_calls, port)
    p50, p99 = np.percentile(singles, [50, 99])
    return HttpTimings(
        single_p50_ms=float(p50),
        single_p99_ms=float(p99),
        batch_per_second=batch,
        half_load_per_second=len(half) / _PACED_SECONDS,
        half_load_p99_ms=float(np.percentile(half, 99)),
        overload=overload,
    )


def single_calls(port: int) -> list[float]:
    """Return how long each of many calls of one request took, in milliseconds."""
    client = _Client(port)
    spent = []
    for number in range(_WARM_UP_CALLS + _SINGLE_CALLS):
        body = _body(number, 1)
        began = time.perf_counter()
        client.predict(body, must=200)
        spent.append((time.perf_counter() - began) * _MILLISECONDS)
    return spent[_WARM_UP_CALLS:]


def batch_calls(port: int) -> float:
    """Return the requests a second of several clients with 100 requests per call."""
    bodies = [_body(number, _BATCH_REQUESTS) for number in range(_BATCH_CALLS)]
    work: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    for body in bodies:
        work.put(body)

    def client() -> None:
        connection = _Client(port)
        while True:
            try:
                connection.predict(work.get_nowait(), must=200)
            except queue.Empty:
                return

    began = time.perf_counter()
    _in_threads(client, _BATCH_CLIENTS)
    return _BATCH_CALLS * _BATCH_REQUESTS / (time.perf_counter() - began)


def paced_calls(port: int, per_second: float) -> list[float]:
    """Return how long each call of one request took since it was due, in milliseconds.

    Args:
        port: of the endpoint.
        per_second: rate of all clients together; infinite for as many as come through.
    """
    spent: list[float] = []
    began = time.perf_counter()
    numbers = iter(range(sys.maxsize))
    lock = threading.Lock()

    def client() -> None:
        connection = _Client(port)
        while True:
            with lock:
                number = next(numbers)
            due = max(began + number / per_second, began)
            if per_second == float("inf"):
                due = time.perf_counter()
            if due >= began + _PACED_SECONDS:
                return
            time.sleep(max(0.0, due - time.perf_counter()))
            connection.predict(_body(number, 1), must=200)
            spent.append((time.perf_counter() - due) * _MILLISECONDS)

    _in_threads(client, _PACED_CLIENTS)
    return spent


def overload_calls(port: int) -> dict[int, int]:
    """Return how many replies had each status while far more was asked than can be scored."""
    statuses: Counter[int] = Counter()
    end = time.perf_counter() + _OVERLOAD_SECONDS
    body = _body(0, _BATCH_REQUESTS)

    def client() -> None:
        connection = _Client(port)
        while time.perf_counter() < end:
            statuses[connection.predict(body)] += 1

    _in_threads(client, _OVERLOAD_CLIENTS)
    return dict(statuses)


class _Client:
    """One connection that stays open."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection(LOCALHOST, port, timeout=_TIMEOUT_SECONDS)

    def predict(self, body: bytes, *, must: int | None = None) -> int:
        self._connection.request("POST", _PATH, body, {"Content-Type": "application/json"})
        response = self._connection.getresponse()
        content = response.read()
        if must is not None and response.status != must:
            msg = f"got status {response.status}, {content[:200]!r}; expected is {must}"
            raise RuntimeError(msg)
        return response.status


def _body(number: int, requests: int) -> bytes:
    asked = [request(number * requests + each) for each in range(requests)]
    for each in asked:
        del each[EVENT_ID], each[EVENT_TIME_MS]
    return json.dumps({"requests": asked}).encode()


def _in_threads(function: Callable[[], None], number: int) -> None:
    errors: list[BaseException] = []

    def call() -> None:
        try:
            function()
        except BaseException as error:  # noqa: BLE001 - it is raised by who waits
            errors.append(error)

    threads = [threading.Thread(target=call) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for error in errors:
        raise error


@contextmanager
def _endpoint(settings: Settings) -> Iterator[int]:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "streaming.cli", "run", "serve"],
        env={**os.environ, **environment(settings.model_copy(update={"http_port": port}))},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_until(lambda: _is_ready(port), timeout=_READY_WITHIN, what="the endpoint")
        yield port
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _is_ready(port: int) -> bool:
    try:
        connection = http.client.HTTPConnection(LOCALHOST, port, timeout=_TIMEOUT_SECONDS)
        connection.request("GET", "/readyz")
        ready: dict[str, Any] = json.loads(connection.getresponse().read())
    except OSError:
        return False
    return bool(ready["ready"])
