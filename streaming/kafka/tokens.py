"""Tokens of OAUTHBEARER for kafka-python."""

import json
import threading
import time
import urllib.parse
import urllib.request
from base64 import b64encode
from http.client import HTTPException
from pathlib import Path

from kafka.errors import SaslAuthenticationFailedError
from kafka.net.sasl.oauth import AbstractTokenProvider

from streaming.kafka.security import KafkaSecurity

_TIMEOUT_SECONDS = 5.0
# A token is replaced when this part of its life is over, as Java's client does.
_USED_LIFE = 0.8


class FileToken(AbstractTokenProvider):  # type: ignore[misc]
    """The token in a file, which somebody else keeps fresh."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def token(self) -> str:
        try:
            return self._path.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            msg = f"token file {self._path} cannot be read: {type(error).__name__}"
            raise SaslAuthenticationFailedError(msg) from None


class ClientCredentialsToken(AbstractTokenProvider):  # type: ignore[misc]
    """A token from an endpoint (RFC 6749, section 4.4), kept for four fifths of its life."""

    def __init__(self, security: KafkaSecurity) -> None:
        super().__init__()
        self._security = security
        self._lock = threading.Lock()
        self._token = ""
        self._used_until = 0.0

    def token(self) -> str:
        with self._lock:
            if time.monotonic() >= self._used_until:
                self._fetch()
            return self._token

    def _fetch(self) -> None:
        try:
            with urllib.request.urlopen(  # noqa: S310 - the URL is checked to be http(s)
                self._request(), timeout=_TIMEOUT_SECONDS
            ) as response:
                answer = json.load(response)
            self._token = str(answer["access_token"])
            life_seconds = float(answer.get("expires_in", 0))
        except (OSError, HTTPException, ValueError, TypeError, KeyError) as error:
            # Of the answer nothing is told: it may hold a token.
            reason = str(error) if isinstance(error, OSError) else type(error).__name__
            msg = f"token endpoint {self._security.token_url} gave no token: {reason}"
            raise SaslAuthenticationFailedError(msg) from None
        self._used_until = time.monotonic() + _USED_LIFE * life_seconds

    def _request(self) -> urllib.request.Request:
        form = {"grant_type": "client_credentials"}
        if self._security.token_scope is not None:
            form["scope"] = self._security.token_scope
        password = self._security.password
        secret = password.get_secret_value() if password else ""
        pair = b64encode(f"{self._security.username}:{secret}".encode()).decode()
        return urllib.request.Request(  # noqa: S310 - the URL is checked to be http(s)
            str(self._security.token_url),
            data=urllib.parse.urlencode(form).encode(),
            headers={"Authorization": f"Basic {pair}", "Accept": "application/json"},
        )
