"""The endpoint on a real broker and store: asked, overloaded, misled, stopped, and proven."""

import asyncio
import os
import signal
import socket
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import httpx
import numpy as np
import pytest
from endpoint_definitions import DEFINITIONS, degrading, waiting
from endpoint_system import (
    CLOCK_MS,
    COMPLETE_MS,
    SLIDE_MS,
    EndpointSystem,
    Server,
    request,
    serving,
)

from feature_repo.online_store import connect
from feature_repo.precomputed import Precomputed, PrecomputedStore
from feature_repo.rendering import PROJECT
from streaming.audit.replay import replay
from streaming.kafka.avro import AvroCodec
from streaming.kafka.record import OutputRecord
from streaming.kafka.schemas import event_schema, prediction_schema
from streaming.kafka.topics import http_predictions_topic
from streaming.kafka.writer import TransactionalWriter
from streaming.local.stack import EmbeddedStack
from streaming.local.waiting import wait_until

pytestmark = [pytest.mark.kafka, pytest.mark.valkey]

SOON = timedelta(seconds=30)
SINGLES = 200


@pytest.fixture(scope="module")
def system(stack: EmbeddedStack, tmp_path_factory: pytest.TempPathFactory) -> EndpointSystem:
    made = EndpointSystem(stack, tmp_path_factory.mktemp("endpoint"))
    made.write_log()
    made.fill_store()
    for service in DEFINITIONS.services:
        made.promote(service)
    return made


@pytest.fixture(scope="module")
def server(system: EndpointSystem) -> Iterator[Server]:
    with serving(system.settings, system.settings.state_dir / "serve.log") as running:
        yield running


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=10) as made:
        yield made


def ask(client: httpx.Client, *requests: Any, service: str = waiting.name) -> httpx.Response:
    return client.post(f"/v1/services/{service}/predictions", json={"requests": requests})


def test_a_request_without_a_time_is_of_the_stream_clock(
    client: httpx.Client, system: EndpointSystem
) -> None:
    reply = ask(client, request("one"))
    assert reply.status_code == 200, reply.text
    (prediction,) = reply.json()["predictions"]
    assert prediction["event_time_ms"] == CLOCK_MS
    (receipt,) = prediction["views"]
    assert receipt["as_of_ms"] == receipt["window_end_ms"] == COMPLETE_MS
    assert receipt["mark"] is None
    (logged,) = [one for one in system.logged(waiting) if one["event_id"] == "one"]
    assert (logged["source_topic"], logged["source_offset"]) == ("", -1)
    vector = [None if np.isnan(value) else value for value in logged["vector"]]
    assert prediction == {
        **{name: value for name, value in logged.items() if name in prediction},
        "vector": vector,
        "precomputed": False,
    }


def test_predictions_of_other_times_and_entities(client: httpx.Client) -> None:
    asked = [
        request(f"t{number}", card, event_time_ms=CLOCK_MS - number * SLIDE_MS)
        for number, card in enumerate("abcabcabczz")
    ]
    together = ask(client, *asked).json()["predictions"]
    alone = [ask(client, one).json()["predictions"][0] for one in asked]
    for found in (*together, *alone):
        found.pop("scored_at_ms")
    assert together == alone
    assert [one["views"][0]["as_of_ms"] for one in together] == [
        COMPLETE_MS - number * SLIDE_MS for number in range(len(asked))
    ]
    assert [one["views"][0]["mark"] for one in together][-2:] == ["UNKNOWN"] * 2
    assert len({one["score"] for one in together}) > 1


def test_a_time_later_than_the_clock_is_refused(client: httpx.Client) -> None:
    began = time.monotonic()
    reply = ask(client, request("ok"), request("later", event_time_ms=CLOCK_MS + 1))
    waited = time.monotonic() - began
    assert reply.status_code == 422
    assert "requests[1].event_time_ms" in reply.json()["detail"]
    assert str(CLOCK_MS) in reply.json()["detail"]
    assert waited > 0.2, "the wall clock has reached it, so the stream clock may"
    assert ask(client, request("on time", event_time_ms=CLOCK_MS)).status_code == 200


@pytest.mark.parametrize(
    ("amount", "minutes", "asked_minutes", "is_fresh"),
    [(101, 20, 0, True), (102, 30, 0, True), (103, 35, 0, False), (104, 20, 25, False)],
)
def test_a_precomputed_prediction_answers_while_it_is_fresh(
    client: httpx.Client,
    system: EndpointSystem,
    amount: int,
    minutes: int,
    asked_minutes: int,
    is_fresh: bool,  # noqa: FBT001
) -> None:
    def at(event_id: str, minutes: int) -> dict[str, Any]:
        time_ms = CLOCK_MS - minutes * 60_000
        return request(event_id, "b", amount=amount, event_time_ms=time_ms)

    kept = ask(client, at(f"kept-{amount}", minutes)).json()["predictions"][0]
    (logged,) = [one for one in system.logged(waiting) if one["event_id"] == f"kept-{amount}"]
    store = PrecomputedStore(
        connect(system.settings.online_store), project=PROJECT, service=waiting
    )
    content = AvroCodec(prediction_schema()).encode_single_object(logged)
    answer = Precomputed(as_of_ms=logged["event_time_ms"], content=content)
    assert store.put([at("", minutes)], [answer]) == 1

    asked = at(f"asked-{amount}", asked_minutes)
    rare = {**asked, "event_id": f"rare-{amount}", "amount": amount + 50}
    first, second = ask(client, asked, rare).json()["predictions"]

    assert first["precomputed"] is is_fresh
    assert (second["event_id"], second["precomputed"]) == (rare["event_id"], False)
    assert first["event_id"] == asked["event_id"]
    if is_fresh:
        assert first == {**kept, "event_id": asked["event_id"], "precomputed": True}
        assert first["event_time_ms"] < second["event_time_ms"]
    else:
        assert first["event_time_ms"] == asked["event_time_ms"]
    # The proof at the end looks at this record: its request is of the time of the prediction.
    (again,) = [one for one in system.logged(waiting) if one["event_id"] == asked["event_id"]]
    event = AvroCodec(event_schema(waiting.request)).decode(again["request"])
    assert event["event_time_ms"] == again["event_time_ms"] == first["event_time_ms"]
    assert event["event_id"] == asked["event_id"]


def test_metadata(client: httpx.Client) -> None:
    (first, _) = client.get("/v1/services").json()["services"]
    assert first == {"service": waiting.name, "model_version": "1"}
    found = client.get(f"/v1/services/{waiting.name}").json()
    assert [feature["name"] for feature in found["features"]] == list(waiting.features)
    assert found["model"]["version"] == "1"
    assert client.get("/healthz").status_code == 200


def test_a_store_that_does_not_answer(client: httpx.Client, system: EndpointSystem) -> None:
    redis = connect(system.settings.online_store)
    redis.client_pause(3_000)
    try:
        reply = ask(client, request("paused"))
        assert (reply.status_code, reply.headers["Retry-After"]) == (503, "1")
        assert reply.json()["reason"] in ("store_unavailable", "overloaded")
        reply = ask(client, request("degraded"), service=degrading.name)
        assert reply.status_code == 200, reply.text
        (prediction,) = reply.json()["predictions"]
        assert prediction["views"][0]["mark"] == "DEGRADED"
        assert client.get("/readyz").status_code == 503
    finally:
        redis.client_unpause()
    wait_until(
        lambda: ask(client, request("again")).status_code == 200,
        timeout=SOON,
        what="the store to answer again",
    )


@contextmanager
def stopped_broker(stack: EmbeddedStack) -> Iterator[None]:
    (pid,) = [process.pid for process in stack.status() if process.name == "kafka"]
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_what_kafka_does_not_confirm_is_not_answered(
    client: httpx.Client, stack: EmbeddedStack
) -> None:
    with stopped_broker(stack):
        reply = ask(client, request("unconfirmed"))
        assert reply.status_code in (503, 504)
        assert "predictions" not in reply.json()
    wait_until(
        lambda: ask(client, request("confirmed")).status_code == 200,
        timeout=SOON,
        what="the broker to confirm again",
    )


def test_overload_gives_answers_or_503(server: Server) -> None:
    outcomes: Counter[int] = Counter()

    async def hammer(client: httpx.AsyncClient, number: int, until: float) -> None:
        body = {"requests": [request(f"load-{number}-{row}") for row in range(20)]}
        while time.monotonic() < until:
            reply = await client.post(f"/v1/services/{waiting.name}/predictions", json=body)
            outcomes[reply.status_code] += 1
            assert reply.status_code != 503 or reply.headers["Retry-After"] == "1"

    async def run() -> None:
        until = time.monotonic() + 2
        limits = httpx.Limits(max_connections=100)
        async with httpx.AsyncClient(base_url=server.url, timeout=20, limits=limits) as client:
            await asyncio.gather(*(hammer(client, number, until) for number in range(60)))

    asyncio.run(run())
    print(f"overload: {dict(outcomes)}")  # noqa: T201
    assert outcomes.keys() == {200, 503}


def test_latency_of_single_predictions(client: httpx.Client) -> None:
    seconds = []
    for number in range(SINGLES):
        began = time.perf_counter()
        assert ask(client, request(f"single-{number}")).status_code == 200
        seconds.append(time.perf_counter() - began)
    p50, p99 = np.percentile(np.array(seconds) * 1_000, [50, 99])
    print(f"one at a time: p50 {p50:.1f} ms, p99 {p99:.1f} ms, ratio {p99 / p50:.1f}")  # noqa: T201


def _send(server: Server, *parts: bytes, pause: float = 0.0) -> bytes:
    """Send raw bytes; return all that comes until the server closes."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=15) as raw:
        received = b""
        try:
            for part in parts:
                raw.sendall(part)
                time.sleep(pause)
            while data := raw.recv(65_536):
                received += data
        except ConnectionError:
            pass
        return received


_HEAD = f"POST /v1/services/{waiting.name}/predictions HTTP/1.1\r\nHost: x\r\n".encode()
_JSON_HEAD = _HEAD + b"Content-Type: application/json\r\n"


def test_slow_and_endless_clients_are_closed(server: Server) -> None:
    began = time.monotonic()
    assert _send(server, _HEAD) == b"", "headers that never end"
    assert time.monotonic() - began < 10
    slow = _send(server, _JSON_HEAD + b"Content-Length: 100\r\n\r\n{")
    assert slow.startswith(b"HTTP/1.1 408")
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    endless = _send(server, _JSON_HEAD + b"Transfer-Encoding: chunked\r\n\r\n", *[chunk] * 40)
    assert endless.startswith(b"HTTP/1.1 413") or endless == b""
    huge = _send(server, _JSON_HEAD + b"Content-Length: 99999999\r\n\r\n")
    assert huge.startswith(b"HTTP/1.1 413")
    assert _send(server, _HEAD + b"X: " + b"x" * 200_000) == b"", "headers that are too large"


def test_the_end_under_load_loses_no_accepted_call(system: EndpointSystem) -> None:
    answered: list[str] = []
    outcomes: Counter[int | str] = Counter()

    async def hammer(client: httpx.AsyncClient, number: int) -> None:
        for turn in range(100_000):
            event_id = f"end-{number}-{turn}"
            try:
                reply = await client.post(
                    f"/v1/services/{waiting.name}/predictions",
                    json={"requests": [request(event_id)]},
                )
            except httpx.TransportError:
                outcomes["refused"] += 1
                return
            outcomes[reply.status_code] += 1
            if reply.status_code == 200:
                answered.append(event_id)

    async def run(server: Server) -> None:
        async with httpx.AsyncClient(base_url=server.url, timeout=20) as client:
            load = asyncio.gather(*(hammer(client, number) for number in range(30)))
            while len(answered) < 300:
                await asyncio.sleep(0.01)
            server.process.terminate()
            await load

    with serving(system.settings, system.settings.state_dir / "end.log") as server:
        asyncio.run(run(server))
        assert server.process.wait(20) == 0
    logged = [one["event_id"] for one in system.logged(waiting) if one["event_id"][:4] == "end-"]
    assert sorted(logged) == sorted(answered), "every prediction that was made was answered"
    assert outcomes.keys() <= {200, 503, "refused"}


def test_beyond_loopback_it_does_not_start_without_keys(system: EndpointSystem) -> None:
    settings = system.settings.model_copy(update={"http_host": "0.0.0.0"})  # noqa: S104 - refused
    server = Server(settings, system.settings.state_dir / "exposed.log")
    assert server.process.wait(60) == 1
    assert "samestream api-key" in (system.settings.state_dir / "exposed.log").read_text()


@pytest.mark.flink
def test_every_answer_is_proven_and_a_tampered_one_is_not(system: EndpointSystem) -> None:
    """Comes last: it replays what all the others were answered."""
    records = system.logged(waiting)
    good = next(record for record in records if record["event_id"] == "one")
    vector = [*good["vector"][:-1], float(np.nextafter(good["vector"][-1], np.inf))]
    tampered = [{**good, "vector": vector}, {**good, "request": b"no event"}]
    # The same booster again: with another threshold, and made for other definitions.
    system.promote(waiting, "2", threshold=2.0)
    system.promote(waiting, "3", service_fingerprint="0" * 12)
    tampered += [{**good, "model_version": "2", "decision": True}]
    former = {**good, "model_version": "3"}
    codec = AvroCodec(prediction_schema())
    with TransactionalWriter(system.settings.kafka, "endpoint-tampering") as writer:
        for record in (*tampered, former):
            value = codec.encode_single_object(record)
            writer.write(OutputRecord(http_predictions_topic(waiting), 0, None, value))
        writer.commit()

    report = replay(system.settings, DEFINITIONS, waiting)

    assert report.over_http == len(records) + len(tampered) + 1
    assert report.other_definitions == 1
    assert (report.unexplained, report.pending, report.requests) == (3, 0, 0)
    assert report.exact + sum(report.explained.values()) == len(records)
    assert not report.proven
