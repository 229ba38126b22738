"""A gateway with TLS and passwords in front of a schema registry, as companies put there."""

import base64
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx


class _Server(ThreadingHTTPServer):
    def handle_error(self, *args: Any) -> None:
        del args  # a refused handshake is what some tests want


@contextmanager
def registry_gateway(
    upstream: str, allowed: set[str], certificate: tuple[Path, Path], ca_file: Path | None = None
) -> Iterator[str]:
    """Forward requests whose Authorization header is allowed; yield the port's `HOST:PORT/path`.

    With a CA file, clients must have a certificate of their own.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._forward(None)

        def do_POST(self) -> None:
            self._forward(self.rfile.read(int(self.headers["Content-Length"])))

        def _forward(self, body: bytes | None) -> None:
            if self.headers["Authorization"] not in allowed:
                self._answer(401, b"{}")
                return
            headers = {"Content-Type": self.headers["Content-Type"]} if body else {}
            answer = httpx.request(
                self.command, upstream + self.path, content=body, headers=headers
            )
            self._answer(answer.status_code, answer.content)

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            del args

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    if ca_file is not None:
        context.load_verify_locations(ca_file)
        context.verify_mode = ssl.CERT_REQUIRED

    with _Server(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"https://localhost:{server.server_port}"
        server.shutdown()


def basic(username: str, password: str) -> str:
    """The Authorization header of a user."""
    return f"Basic {base64.b64encode(f'{username}:{password}'.encode()).decode()}"
