"""The endpoint as an application: routes, and what happens to a call on its way."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request
from fastapi.responses import Response
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from feature_repo.reader import StoreUnavailableError
from features.source import EVENT_TIME_MS
from models.endpoint.admission import Call, WaitingLine
from models.endpoint.bodies import BodyError, RequestBodies
from models.endpoint.clock import ClockUnknownError, wall_clock_ms
from models.endpoint.docs import operation
from models.endpoint.keys import ApiKeys
from models.endpoint.metadata import service_content
from models.endpoint.readiness import unready_reasons
from models.endpoint.replies import RETRY_AFTER_SECONDS, Reply, document, problem, unavailable
from models.endpoint.serving import ServedService

_CLOCK_POLL_SECONDS = 0.01
_JSON = "application/json"


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a call may ask for.

    Attributes:
        requests: in one call.
        body_bytes: of its body.
        body: how long the body may take to arrive.
        wait: how long a call waits until the clock reaches the time of a request.
        reply: how long a call waits for its predictions.
        staleness: how far a view may be behind before the endpoint is not ready.
    """

    requests: int
    body_bytes: int
    body: timedelta
    wait: timedelta
    reply: timedelta
    staleness: timedelta


def create_app(
    services: Mapping[str, ServedService],
    line: WaitingLine,
    limits: Limits,
    keys: ApiKeys | None,
) -> FastAPI:
    """Return the application.

    Args:
        services: by name.
        line: where calls wait for the scoring thread.
        limits: of calls.
        keys: that may use it; None lets everybody in.
    """
    app = FastAPI(title="samestream", openapi_url=None, docs_url=None, redoc_url=None)
    allowed = [] if keys is None else [Depends(_key_check(keys))]

    @app.exception_handler(HTTPException)
    async def refuse(_request: Request, error: HTTPException) -> Response:
        reason = HTTPStatus(error.status_code).phrase.lower().replace(" ", "_")
        response = _response(problem(error.status_code, reason, str(error.detail)))
        response.headers.update(error.headers or {})
        return response

    @app.get("/healthz", summary="Whether the process runs")
    async def healthz() -> Response:
        return _response(document({"status": "ok"}))

    @app.get("/readyz", summary="Whether it can predict; 503 with the reasons if not")
    async def readyz() -> Response:
        reasons = await asyncio.to_thread(unready_reasons, services.values(), limits.staleness)
        status = 503 if reasons else 200
        return _response(document({"ready": not reasons, "reasons": reasons}, status))

    @app.get("/openapi.json", dependencies=allowed, include_in_schema=False)
    async def openapi() -> Response:
        return _response(document(app.openapi()))

    @app.get("/v1/services", dependencies=allowed, summary="The services and their models")
    async def list_services() -> Response:
        found = [
            {
                "service": name,
                "model_version": None if served.model is None else served.model.version,
            }
            for name, served in services.items()
        ]
        return _response(document({"services": found}))

    for name, served in services.items():
        path = f"/v1/services/{name}"
        app.add_api_route(
            path,
            _describe(served),
            dependencies=allowed,
            summary=f"Model, features, request fields and views of {name}",
        )
        app.add_api_route(
            f"{path}/predictions",
            _Predict(served, line, limits).__call__,
            methods=["POST"],
            dependencies=allowed,
            summary=f"Predictions of {name}",
            openapi_extra=operation(served.service),
        )

    @app.api_route("/v1/services/{service}", dependencies=allowed, include_in_schema=False)
    @app.post("/v1/services/{service}/predictions", dependencies=allowed, include_in_schema=False)
    async def unknown(service: str) -> Response:
        msg = f"service: got {service!r}; allowed are {', '.join(services)}"
        return _response(problem(404, "unknown_service", msg))

    return app


def _key_check(keys: ApiKeys) -> Callable[..., Awaitable[None]]:
    bearer = HTTPBearer(auto_error=False)
    header = APIKeyHeader(name="X-API-Key", auto_error=False)

    async def check(
        by_bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)],
        by_header: Annotated[str | None, Depends(header)],
    ) -> None:
        key = by_bearer.credentials if by_bearer is not None else by_header
        if key is None or not keys.accepts(key):
            msg = "a known API key is needed: Authorization: Bearer KEY, or X-API-Key: KEY"
            raise HTTPException(401, msg, {"WWW-Authenticate": "Bearer"})

    return check


def _describe(served: ServedService) -> Callable[[], Awaitable[Response]]:
    async def describe() -> Response:
        return _response(document(service_content(served.service, served.model)))

    return describe


class _Predict:
    """Calls for the predictions of one service."""

    def __init__(self, served: ServedService, line: WaitingLine, limits: Limits) -> None:
        self._served = served
        self._line = line
        self._limits = limits
        self._bodies = RequestBodies(served.service.request, max_requests=limits.requests)
        self._asked: asyncio.Future[int] | None = None

    async def __call__(self, request: Request) -> Response:
        if self._line.is_full:
            # Before anything is spent on it; who sends too much sends most of all now.
            return _response(_no_room())
        try:
            _check_content_type(request)
            requests = self._bodies.read(await self._body(request))
            return _response(await self._times(requests) or await self._scored(requests))
        except BodyError as error:
            response = _response(problem(error.status, error.reason, str(error)))
            if error.status in (408, 413):
                # The rest of the body is not read.
                response.headers["Connection"] = "close"
            return response

    async def _body(self, request: Request) -> bytes:
        most = self._limits.body_bytes
        body = bytearray()
        try:
            async with asyncio.timeout(self._limits.body.total_seconds()):
                if int(request.headers.get("content-length", 0)) > most:
                    raise _too_large(most)
                async for chunk in request.stream():
                    body += chunk
                    if len(body) > most:
                        raise _too_large(most)
        except TimeoutError as error:
            msg = f"body: not there after {self._limits.body}"
            raise BodyError(408, "slow", msg) from error
        except ClientDisconnect as error:
            msg = "body: the client went away"
            raise BodyError(400, "disconnected", msg) from error
        return bytes(body)

    async def _times(self, requests: Sequence[Mapping[str, Any]]) -> Reply | None:
        """Wait until the clock has reached the times of requests; return why it does not."""
        times = [request[EVENT_TIME_MS] for request in requests]
        newest_ms = max((time for time in times if time is not None), default=None)
        clock = self._served.clock
        if newest_ms is None or clock.has_reached(newest_ms):
            return None
        end = asyncio.get_running_loop().time() + self._limits.wait.total_seconds()
        while True:
            try:
                now_ms = await self._now_ms()
            except StoreUnavailableError as error:
                return unavailable("store_unavailable", str(error))
            except ClockUnknownError as error:
                return unavailable("no_clock", str(error))
            if newest_ms <= now_ms:
                return None
            # What the wall clock has not reached, the stream clock will not reach soon.
            if newest_ms > wall_clock_ms() or asyncio.get_running_loop().time() >= end:
                msg = (
                    f"requests[{times.index(newest_ms)}].{EVENT_TIME_MS}: got {newest_ms}; "
                    f"allowed is at most the stream clock, {now_ms}"
                )
                return problem(422, "later_than_clock", msg)
            await asyncio.sleep(_CLOCK_POLL_SECONDS)

    async def _now_ms(self) -> int:
        """Ask for the time; all who wait for an answer share it."""
        if self._asked is None or self._asked.done():
            self._asked = asyncio.ensure_future(asyncio.to_thread(self._served.tell_ms))
        return await asyncio.shield(self._asked)

    async def _scored(self, requests: Sequence[Mapping[str, Any]]) -> Reply:
        loop = asyncio.get_running_loop()
        call = Call(
            service=self._served.service.name, requests=requests, reply=loop.create_future()
        )
        if not self._line.enter(call):
            return _no_room()
        try:
            async with asyncio.timeout(self._limits.reply.total_seconds()):
                return await call.reply
        except TimeoutError:
            if self._line.leave(call):
                msg = f"the call waited {self._limits.reply} for its turn"
                return unavailable("overloaded", msg)
            msg = f"scoring took more than {self._limits.reply}; the predictions may be made yet"
            return problem(504, "slow", msg)


def _check_content_type(request: Request) -> None:
    found = request.headers.get("content-type", "")
    if found.split(";")[0].strip().lower() != _JSON:
        msg = f"Content-Type: got {found!r}; allowed is {_JSON}"
        raise BodyError(415, "content_type", msg)


def _too_large(most: int) -> BodyError:
    return BodyError(413, "too_large", f"body: got more than {most} bytes; allowed are {most}")


def _no_room() -> Reply:
    return unavailable("overloaded", "too many requests wait already")


def _response(reply: Reply) -> Response:
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)} if reply.retry else None
    return Response(reply.body, reply.status, headers, _JSON)
