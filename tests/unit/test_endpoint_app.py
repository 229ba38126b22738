"""What the endpoint says to calls, without servers."""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from threading import Event
from typing import Any

import httpx
import pytest
from endpoint_parts import LIMITS, VIEW, EmptyStore, Endpoint, scorer

from features.service import FeatureService, StorePolicy
from models.booster import load_booster
from models.endpoint.admission import Call
from models.endpoint.bodies import RequestBodies
from models.endpoint.docs import example_request
from models.endpoint.keys import ApiKeys
from models.loading import Model
from models.narrowing import narrowed
from models.online import OnlineScorer
from models.scorer import Scorer
from models.train import train
from tests import tiny_model

PROGRESS_MS = 1_700_000_100_000
CLOCK_MS = PROGRESS_MS + VIEW.window.slide_ms + VIEW.source.lateness_ms - 1
REQUEST = {"event_id": "p1", "card": "a", "country": "de", "amount": 7}

Talk = Callable[[httpx.AsyncClient], Awaitable[Any]]


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    made = Endpoint()
    made.store.progress_ms = PROGRESS_MS
    made.served.use(scorer())
    made.thread.start()
    yield made
    assert made.thread.finish(5)


def talk(endpoint: Endpoint, said: Talk) -> Any:
    async def run() -> Any:
        async with endpoint.client() as client:
            return await said(client)

    return asyncio.run(run())


def post(endpoint: Endpoint, *requests: Any, **options: Any) -> httpx.Response:
    body = {"json": {"requests": requests}, **options}
    if "content" in options:
        del body["json"]
    return talk(endpoint, lambda client: client.post(endpoint.path, **body))


def get(endpoint: Endpoint, path: str, **options: Any) -> httpx.Response:
    return talk(endpoint, lambda client: client.get(path, **options))


def test_predictions_come_in_order_and_were_kept(endpoint: Endpoint) -> None:
    timed = {**REQUEST, "event_id": "p2", "event_time_ms": CLOCK_MS - 5}
    reply = post(endpoint, REQUEST, timed)
    assert reply.status_code == 200, reply.text
    first, second = reply.json()["predictions"]
    assert (first["event_id"], first["event_time_ms"]) == ("p1", CLOCK_MS)
    assert (second["event_id"], second["event_time_ms"]) == ("p2", CLOCK_MS - 5)
    assert first["keys"] == {"card": "a"}
    assert first["views"][0]["mark"] == "UNKNOWN"
    assert first["scored_at_ms"] > CLOCK_MS
    assert None in first["vector"]
    assert endpoint.log.ids == ["p1", "p2"]


def test_what_is_not_kept_is_not_answered(endpoint: Endpoint) -> None:
    endpoint.log.is_there = False
    reply = post(endpoint, REQUEST)
    assert (reply.status_code, reply.json()["reason"]) == (503, "log_unavailable")
    assert reply.headers["Retry-After"] == "1"


def test_one_bad_request_refuses_the_call(endpoint: Endpoint) -> None:
    reply = post(endpoint, REQUEST, {**REQUEST, "amount": 1_001})
    assert reply.status_code == 422
    assert reply.json()["detail"].startswith("requests[1].amount: got 1001; allowed is 0 to 1000")
    assert endpoint.log.ids == []


@pytest.mark.parametrize("later_ms", [1, 10**15])
def test_a_time_after_the_clock(endpoint: Endpoint, later_ms: int) -> None:
    began = time.monotonic()
    reply = post(endpoint, {**REQUEST, "event_time_ms": CLOCK_MS + later_ms})
    waited = time.monotonic() - began
    assert (reply.status_code, reply.json()["reason"]) == (422, "later_than_clock")
    assert f"got {CLOCK_MS + later_ms}" in reply.json()["detail"]
    assert f"the stream clock, {CLOCK_MS}" in reply.json()["detail"]
    # Only for what the wall clock has reached there is something to wait for.
    assert (waited >= LIMITS.wait.total_seconds()) == (later_ms == 1)


def test_a_call_waits_for_the_clock(endpoint: Endpoint) -> None:
    endpoint.store.progress_ms = PROGRESS_MS - VIEW.window.slide_ms

    async def said(client: httpx.AsyncClient) -> httpx.Response:
        body = {"requests": [{**REQUEST, "event_time_ms": CLOCK_MS}]}
        call = asyncio.create_task(client.post(endpoint.path, json=body))
        while not endpoint.store.asked:
            await asyncio.sleep(0.001)
        endpoint.store.progress_ms = PROGRESS_MS
        return await call

    assert talk(endpoint, said).status_code == 200


def test_without_progress_there_is_no_time(endpoint: Endpoint) -> None:
    endpoint.store.progress_ms = None
    for request in (REQUEST, {**REQUEST, "event_time_ms": CLOCK_MS}):
        reply = post(endpoint, request)
        assert (reply.status_code, reply.json()["reason"]) == (503, "no_clock")


def test_without_a_store_calls_wait_or_degrade() -> None:
    for policy, follows_wall, status in (
        (StorePolicy.WAIT, True, 503),
        (StorePolicy.DEGRADE, True, 200),
        # Nobody knows what time it is in a history that is replayed.
        (StorePolicy.DEGRADE, False, 503),
    ):
        service = replace(tiny_model.service, store_policy=policy)
        endpoint = Endpoint(service, follows_wall=follows_wall)
        endpoint.store.is_there = False
        endpoint.served.use(scorer())
        endpoint.thread.start()
        reply = post(endpoint, REQUEST)
        assert reply.status_code == status, reply.text
        if status == 200:
            (prediction,) = reply.json()["predictions"]
            assert prediction["views"][0]["mark"] == "DEGRADED"
            assert prediction["event_time_ms"] <= prediction["scored_at_ms"]
        assert endpoint.thread.finish(5)


def test_views_that_are_too_far_behind_refuse_the_call() -> None:
    service = replace(tiny_model.service, max_staleness=timedelta(minutes=1))
    endpoint = Endpoint(service)
    endpoint.store.progress_ms = PROGRESS_MS
    endpoint.served.use(scorer())
    endpoint.thread.start()
    assert post(endpoint, REQUEST).status_code == 200
    endpoint.store.complete = lambda: {VIEW.name: PROGRESS_MS}  # type: ignore[method-assign]
    endpoint.store.queued = lambda: {VIEW.name: PROGRESS_MS + 3_600_000}  # type: ignore[method-assign]
    reply = post(endpoint, {**REQUEST, "event_time_ms": CLOCK_MS}, REQUEST)
    assert (reply.status_code, reply.json()["reason"]) == (503, "stale")
    assert reply.json()["detail"].startswith("requests[1]: view 'card_1h' is 3600000 ms behind")
    assert endpoint.log.ids == ["p1"]
    assert endpoint.thread.finish(5)


def test_a_clock_that_is_too_far_behind_the_wall_clock_is_not_now() -> None:
    service = replace(tiny_model.service, max_staleness=timedelta(minutes=10))
    for follows_wall, status in ((True, 503), (False, 200)):
        endpoint = Endpoint(service, follows_wall=follows_wall)
        endpoint.store.progress_ms = PROGRESS_MS
        endpoint.served.use(scorer())
        endpoint.thread.start()
        reply = post(endpoint, REQUEST)
        assert reply.status_code == status
        assert status == 200 or reply.json()["reason"] == "stale"
        # Who says what time is meant gets the answer of that time.
        assert post(endpoint, {**REQUEST, "event_time_ms": CLOCK_MS}).status_code == 200
        assert endpoint.thread.finish(5)


def test_a_stale_clock_refuses_only_those_who_mean_now() -> None:
    endpoint = Endpoint(
        replace(tiny_model.service, max_staleness=timedelta(minutes=10)), follows_wall=True
    )
    endpoint.store.progress_ms = PROGRESS_MS
    endpoint.served.use(scorer())
    now = {**REQUEST, "fraud": None, "event_time_ms": None}
    timed = {**now, "event_time_ms": CLOCK_MS}

    async def replies() -> list[int]:
        calls = [
            Call(
                service=tiny_model.service.name,
                requests=requests,
                reply=asyncio.get_running_loop().create_future(),
            )
            for requests in ([now], [timed], [timed, now])
        ]
        return [reply.status for reply in endpoint.served.answer(calls)]

    assert asyncio.run(replies()) == [503, 200, 503]


def test_a_service_without_views_is_answered() -> None:
    service = narrowed(tiny_model.service, ("amount", "country"))
    assert service.views == ()
    split_ms = 1_000 * tiny_model.MINUTE_MS
    trained = train(service, tiny_model.frame(), split_ms=split_ms, nthread=1)
    booster = load_booster(trained.booster, nthread=1)
    model = Model(version="1", manifest=trained.manifest, booster=booster)
    online = OnlineScorer(service, EmptyStore(), max_wait_seconds=0.01, stop=Event())
    request = {**REQUEST, "fraud": None, "event_time_ms": CLOCK_MS}

    answers = online.score([request] * 3, Scorer(service, model))

    assert answers.rows.tolist() == [0, 1, 2]
    assert [one["views"] for one in answers.predictions.records([request] * 3)] == [[]] * 3
    assert answers.waited.tolist() == [False] * 3


def test_a_full_line_refuses_and_a_long_wait_ends() -> None:
    endpoint = Endpoint(capacity=2)

    async def said(client: httpx.AsyncClient) -> list[httpx.Response]:
        body = {"requests": [REQUEST]}
        return await asyncio.gather(*(client.post(endpoint.path, json=body) for _ in range(3)))

    # Nobody takes from the line.
    replies = talk(endpoint, said)
    assert [reply.status_code for reply in replies] == [503] * 3
    assert {reply.headers["Retry-After"] for reply in replies} == {"1"}
    details = sorted(reply.json()["detail"] for reply in replies)
    assert [detail.split()[0] for detail in details] == ["the", "the", "too"]
    endpoint.line.close()
    assert endpoint.line.take(10) == [], "who gave up has left the line"


def test_a_call_whose_scoring_takes_too_long() -> None:
    endpoint = Endpoint()

    async def said(client: httpx.AsyncClient) -> httpx.Response:
        call = asyncio.create_task(client.post(endpoint.path, json={"requests": [REQUEST]}))
        await asyncio.to_thread(endpoint.line.take, 1)
        return await call

    assert talk(endpoint, said).status_code == 504


def test_a_defect_is_one_reply_and_not_the_end(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(endpoint.log, "write", lambda *_, **__: 1 / 0)
        assert post(endpoint, REQUEST).status_code == 500
    assert post(endpoint, REQUEST).status_code == 200


async def _chunks(*parts: bytes, pause: float = 0.0) -> AsyncIterator[bytes]:
    for part in parts:
        yield part
        await asyncio.sleep(pause)


JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({"content": b"{}", "headers": {"Content-Type": "text/plain"}}, 415),
        ({"content": b"{}"}, 415),
        ({"content": b"{}", "headers": {"Content-Type": "application/jsonp"}}, 415),
        ({"content": b"{}", "headers": {"Content-Type": "Application/JSON; charset=utf-8"}}, 422),
        ({"content": b" " * 2_001, "headers": JSON}, 413),
        ({"content": lambda: _chunks(*[b" " * 500] * 5), "headers": JSON}, 413),
        ({"content": lambda: _chunks(b"{", b"}"), "headers": JSON}, 422),
        ({"content": lambda: _chunks(b"{", b"}", pause=0.3), "headers": JSON}, 408),
    ],
)
def test_content_that_is_refused(endpoint: Endpoint, options: dict[str, Any], status: int) -> None:
    content = options["content"]
    made = content() if callable(content) else content
    assert post(endpoint, **{**options, "content": made}).status_code == status


def test_an_unknown_service_and_an_unknown_path(endpoint: Endpoint) -> None:
    for path in ("/v1/services/fraudd", "/v1/services/fraudd/predictions"):
        reply = talk(
            endpoint,
            lambda client, path=path: client.request("GET" if path[-1] == "d" else "POST", path),
        )
        assert reply.status_code == 404
        assert reply.json()["detail"] == "service: got 'fraudd'; allowed are fraud"
    assert get(endpoint, "/nothing").json() == {"reason": "not_found", "detail": "Not Found"}
    assert get(endpoint, endpoint.path).status_code == 405


def test_metadata_tells_what_the_definitions_say(endpoint: Endpoint) -> None:
    service = tiny_model.service
    listed = get(endpoint, "/v1/services").json()
    assert listed == {"services": [{"service": "fraud", "model_version": "1"}]}
    found = get(endpoint, "/v1/services/fraud").json()
    assert found["model"]["sha256"] == tiny_model.trained().manifest.booster_sha256
    assert [one["name"] for one in found["features"]] == list(service.features)
    assert [one["type"] for one in found["features"]] == [
        "string",
        "int64",
        "float64",
        "string",
        "int64",
    ]
    amount = found["request"]["fields"][2]
    assert (amount["name"], amount["nullable"]) == ("amount", True)
    assert (amount["schema"]["minimum"], amount["schema"]["maximum"]) == (0, 1_000)
    (view,) = found["views"]
    assert (view["size_ms"], view["slide_ms"]) == (3_600_000, 300_000)


def test_openapi_has_an_example_that_is_allowed(endpoint: Endpoint) -> None:
    post_ = get(endpoint, "/openapi.json").json()["paths"][endpoint.path]["post"]
    content = post_["requestBody"]["content"]["application/json"]
    assert post(endpoint, *content["example"]["requests"]).status_code == 200
    reply = post(endpoint, REQUEST).json()
    schema = post_["responses"]["200"]["content"]["application/json"]["schema"]
    described = schema["properties"]["predictions"]["items"]["properties"]
    assert described.keys() == reply["predictions"][0].keys()


@pytest.mark.parametrize("module", ["features.examples.flights", "features.examples.payments"])
def test_the_examples_of_every_service_are_allowed(module: str) -> None:
    definitions = pytest.importorskip(module).DEFINITIONS
    for service in definitions.services:
        _check_example(service)


def _check_example(service: FeatureService) -> None:
    import orjson

    body = orjson.dumps({"requests": [example_request(service)]})
    assert len(RequestBodies(service.request, max_requests=1).read(body)) == 1


def test_keys_guard_everything_but_the_probes() -> None:
    keys = ApiKeys([hashlib.sha256(b"right").hexdigest()])
    endpoint = Endpoint(keys=keys)
    for path in ("/healthz", "/readyz"):
        assert get(endpoint, path).status_code != 401
    guarded = ("/v1/services", "/v1/services/fraud", "/v1/services/x", "/openapi.json")
    for path in guarded:
        for headers in (
            {},
            {"X-API-Key": "wrong"},
            {"Authorization": "Bearer wrong"},
            {"Authorization": "Basic right"},
        ):
            reply = get(endpoint, path, headers=headers)
            assert (reply.status_code, reply.json()["reason"]) == (401, "unauthorized")
            assert reply.headers["WWW-Authenticate"] == "Bearer"
        for headers in ({"X-API-Key": "right"}, {"Authorization": "Bearer right"}):
            assert get(endpoint, path, headers=headers).status_code in (200, 404)
    assert post(endpoint, REQUEST).status_code == 401


def test_readiness_names_what_is_missing(endpoint: Endpoint) -> None:
    assert get(endpoint, "/readyz").json() == {"ready": True, "reasons": []}
    endpoint.store.is_there = False
    reply = get(endpoint, "/readyz")
    assert reply.status_code == 503
    assert reply.json()["reasons"] == ["service 'fraud': online store: it does not answer"]
    fresh = Endpoint(follows_wall=True)
    fresh.store.progress_ms = PROGRESS_MS
    reasons = get(fresh, "/readyz").json()["reasons"]
    assert reasons[0] == "service 'fraud': no model is loaded"
    assert "view 'card_1h' is" in reasons[1]
    assert "behind; allowed is 0:01:00" in reasons[1]
    fresh.store.progress_ms = time.time_ns() // 1_000_000
    assert get(fresh, "/readyz").json()["reasons"] == reasons[:1]
    fresh.store.progress_ms = None
    assert get(fresh, "/readyz").json()["reasons"][1:] == [
        "service 'fraud': view 'card_1h' was never complete"
    ]


def test_a_call_without_a_model() -> None:
    endpoint = Endpoint()
    endpoint.thread.start()
    assert post(endpoint, REQUEST).json()["reason"] == "no_model"
    assert endpoint.thread.finish(5)
