"""Signed tokens of a test, and an endpoint on 127.0.0.1 that gives them to client credentials."""

import json
import threading
import time
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

AUDIENCE = "kafka"
LIFE_SECONDS = 600


class TokenIssuer:
    """Makes tokens; `keys` is what a broker trusts them by."""

    def __init__(self) -> None:
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        numbers = self._key.public_key().public_numbers()
        public = {"n": _base64_of(numbers.n), "e": _base64_of(numbers.e)}
        self.keys = {"keys": [{"kty": "RSA", "kid": "1", "alg": "RS256", "use": "sig", **public}]}

    def token(self, subject: str) -> str:
        """Return a token for a client, valid for some minutes."""
        now = int(time.time())
        claims = {"sub": subject, "aud": AUDIENCE, "iat": now, "exp": now + LIFE_SECONDS}
        parts = ({"alg": "RS256", "typ": "JWT", "kid": "1"}, {**claims, "scope": AUDIENCE})
        signed = ".".join(_base64(json.dumps(part).encode()) for part in parts)
        signature = self._key.sign(signed.encode(), padding.PKCS1v15(), SHA256())
        return f"{signed}.{_base64(signature)}"

    @contextmanager
    def endpoint(self, client: str, secret: str) -> Iterator[str]:
        """Serve tokens to one client; yield the URL."""
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                pair = b64decode(self.headers["Authorization"].removeprefix("Basic ")).decode()
                granted = pair == f"{client}:{secret}"
                body = {"access_token": issuer.token(client), "expires_in": LIFE_SECONDS}
                self.send_response(200 if granted else 401)
                self.end_headers()
                self.wfile.write(json.dumps(body if granted else {}).encode())

            def log_message(self, *args: Any) -> None:
                del args

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            yield f"http://127.0.0.1:{server.server_port}/token"
            server.shutdown()

    def write_keys(self, path: Path) -> None:
        """Write the keys as a broker reads them."""
        path.write_text(json.dumps(self.keys), encoding="utf-8")


def _base64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _base64_of(number: int) -> str:
    return _base64(number.to_bytes((number.bit_length() + 7) // 8, "big"))
