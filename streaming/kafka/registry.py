"""A Schema Registry, by the interface that Confluent's has."""

import json
import ssl
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote, urlsplit

import httpx
from pydantic import SecretStr

from features.errors import SamestreamError
from streaming.kafka.schemas import Schema

_CONNECT_ATTEMPTS = 3
_TIMEOUT_SECONDS = 10.0
_MEDIA_TYPE = "application/vnd.schemaregistry.v1+json"


class RegistryError(SamestreamError, ConnectionError):
    """A registry that cannot be reached, refuses access or answers something else."""


class RegistrySettingsError(SamestreamError, ValueError):
    """Settings of a registry that do not fit together."""


@dataclass(frozen=True, kw_only=True)
class RegistryAccess:
    """Where a registry is and what it asks for.

    Attributes:
        url: base of its interface, such as `http://127.0.0.1:8081/apis/ccompat/v7`.
        username: for basic authentication, with a password.
        password: of the user.
        token: bearer token, in the place of user and password.
        ca_file: PEM file of the authorities that may have signed its certificate.
        certificate_file: PEM file of our own certificate, if it asks for one.
        key_file: PEM file of the key of our own certificate.
    """

    url: str
    username: str | None = None
    password: SecretStr | None = None
    token: SecretStr | None = None
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
            shown = parts._replace(netloc=parts.hostname or "").geturl()
            msg = (
                f"schema registry: got the address {shown!r}; allowed is http:// or https:// with "
                "a host, and no user or password in it"
            )
            raise RegistrySettingsError(msg)
        if (self.username is None) != (self.password is None):
            msg = "schema registry: got only one of user and password; allowed are both or none"
            raise RegistrySettingsError(msg)
        if self.token is not None and self.username is not None:
            msg = "schema registry: got a token and a user; allowed is one of them"
            raise RegistrySettingsError(msg)
        if (self.certificate_file is None) != (self.key_file is None):
            msg = "schema registry: got only one of certificate and key; allowed are both or none"
            raise RegistrySettingsError(msg)
        for path in (self.ca_file, self.certificate_file, self.key_file):
            if path is not None and not path.is_file():
                msg = f"schema registry: got {path}; allowed is a PEM file"
                raise RegistrySettingsError(msg)


class SchemaRegistry:
    """A client of one registry; a context manager that closes its connections."""

    def __init__(self, access: RegistryAccess) -> None:
        self._url = access.url.rstrip("/")
        headers = {"Accept": f"{_MEDIA_TYPE}, application/json"}
        if access.token is not None:
            headers["Authorization"] = f"Bearer {access.token.get_secret_value()}"
        self._client = httpx.Client(
            auth=_basic(access),
            headers=headers,
            timeout=_TIMEOUT_SECONDS,
            transport=httpx.HTTPTransport(retries=_CONNECT_ATTEMPTS, verify=_tls(access)),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def schema(self, schema_id: int) -> Any | None:  # noqa: ANN401 - JSON
        """Return the Avro schema of an id as JSON, None if the registry has none.

        A schema that is not Avro comes as the name of its kind.

        Raises:
            RegistryError: the registry did not answer the question.
        """
        response = self._request("GET", f"/schemas/ids/{schema_id}")
        if response.status_code == HTTPStatus.NOT_FOUND:
            return None
        found = self._json(response)
        kind = found.get("schemaType", "AVRO")
        if kind != "AVRO":
            return kind
        try:
            return json.loads(found["schema"])
        except (KeyError, TypeError, ValueError) as error:
            msg = f"schema registry {self._url}: schema {schema_id} is not JSON: {error!r}"
            raise RegistryError(msg) from error

    def register(self, subject: str, schema: Schema) -> int:
        """Return the id of a schema, registered under a subject if it was not yet.

        Raises:
            RegistryError: the registry refuses it, or did not answer.
        """
        path = f"/subjects/{quote(subject, safe='')}/versions"
        response = self._request("POST", path, {"schema": json.dumps(schema)})
        return int(self._json(response)["id"])

    def _request(self, method: str, path: str, body: Any = None) -> httpx.Response:  # noqa: ANN401
        try:
            return self._client.request(
                method,
                self._url + path,
                content=None if body is None else json.dumps(body),
                headers={} if body is None else {"Content-Type": _MEDIA_TYPE},
            )
        except httpx.HTTPError as error:
            msg = f"schema registry {self._url}: {type(error).__name__} {error}"
            raise RegistryError(msg) from error

    def _json(self, response: httpx.Response) -> dict[str, Any]:
        if not response.is_success:
            msg = (
                f"schema registry {self._url}: got status {response.status_code} "
                f"({response.text[:200]})"
            )
            raise RegistryError(msg)
        try:
            found = response.json()
        except ValueError as error:
            msg = f"schema registry {self._url}: the answer is not JSON: {response.text[:200]}"
            raise RegistryError(msg) from error
        if not isinstance(found, dict):
            msg = f"schema registry {self._url}: got {str(found)[:200]}; allowed is an object"
            raise RegistryError(msg)
        return found


def _basic(access: RegistryAccess) -> tuple[str, str] | None:
    if access.username is None or access.password is None:
        return None
    return access.username, access.password.get_secret_value()


def _tls(access: RegistryAccess) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=access.ca_file)
    if access.certificate_file is not None:
        context.load_cert_chain(access.certificate_file, access.key_file)
    return context
