"""The HTTP server: its socket, the time a client has for its headers, and its end."""

import asyncio
import ipaddress
import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from features.errors import SamestreamError

_HEADER_SECONDS = 5.0
_HEADER_BYTES = 64 * 1024
_KEEP_ALIVE_SECONDS = 15
_BACKLOG = 2_048

_log = logging.getLogger(__name__)


class ListenError(SamestreamError, OSError):
    """An address that cannot be listened on."""


class ExposedError(SamestreamError, PermissionError):
    """An endpoint without API keys that others than this machine could reach."""


def listen(host: str, port: int, *, has_keys: bool) -> socket.socket:
    """Return a listening socket; port 0 is any free one.

    Raises:
        ExposedError: there are no API keys, and the address is not of this machine alone.
        ListenError: the address is not one, or is taken.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, OverflowError) as error:
        raise _cannot_listen(host, port, error) from error
    family, _, _, _, address = found[0]
    if not has_keys and not ipaddress.ip_address(address[0]).is_loopback:
        msg = (
            f"endpoint: got the host {host!r} without API keys; allowed without keys is a "
            "loopback address such as 127.0.0.1: make a key with `samestream api-key`"
        )
        raise ExposedError(msg)
    try:
        return socket.create_server((str(address[0]), port), family=family, backlog=_BACKLOG)
    except (OSError, OverflowError) as error:
        raise _cannot_listen(host, port, error) from error


def _cannot_listen(host: str, port: int, error: Exception) -> ListenError:
    return ListenError(f"endpoint: cannot listen on {host}:{port}: {error}")


def serve(app: FastAPI, listener: socket.socket, *, finish_seconds: int) -> None:
    """Serve until SIGTERM or SIGINT; then accept nothing new, and answer what was accepted.

    Args:
        app: the application.
        listener: as `listen` returns it; it is closed.
        finish_seconds: how long calls may take to be answered at the end.
    """
    host, port = listener.getsockname()[:2]
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http=_Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=_BACKLOG,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=finish_seconds,
    )
    _log.info("listening on http://%s:%d", host, port)
    _Server(config).run([listener])


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        with super().capture_signals():
            yield
            # They would be raised again at the end, and the process would not exit with 0.
            self._captured_signals.clear()


class _Protocol(HttpToolsProtocol):
    """Closes a connection whose headers take too long or are too large."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - uvicorn's own
        super().__init__(*args, **kwargs)
        self._deadline: asyncio.TimerHandle | None = None
        self._header_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        self._headers_end()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._deadline is None and (self.cycle is None or self.cycle.response_complete):
            self._expect_headers()
        self._header_bytes += len(data)
        super().data_received(data)
        if self._deadline is not None and self._header_bytes > _HEADER_BYTES:
            self.transport.close()

    def on_headers_complete(self) -> None:
        self._headers_end()
        super().on_headers_complete()

    def _expect_headers(self) -> None:
        self._header_bytes = 0
        self._deadline = self.loop.call_later(_HEADER_SECONDS, self.transport.close)

    def _headers_end(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
