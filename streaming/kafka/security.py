"""How clients prove who they are to Kafka, and how Kafka proves it to them.

One value for kafka-python (`python_options`) and for Flink's Java client (`java_options`).
"""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import SecretStr

from features.errors import SamestreamError

PLAINTEXT = "PLAINTEXT"
OAUTHBEARER = "OAUTHBEARER"
PROTOCOLS = (PLAINTEXT, "SSL", "SASL_PLAINTEXT", "SASL_SSL")
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", OAUTHBEARER)

# The only form of a key that Java reads from PEM; Python reads it too.
_KEY_HEADER = "-----BEGIN PRIVATE KEY-----"
_CERTIFICATE_HEADER = "-----BEGIN CERTIFICATE-----"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class KafkaSecurityError(SamestreamError, ValueError):
    """Settings for the security of a Kafka connection that do not fit together."""


@dataclass(frozen=True, kw_only=True)
class KafkaSecurity:
    """Security of the connections to one cluster; with TLS the host name is always checked.

    Attributes:
        protocol: one of PROTOCOLS.
        mechanism: one of MECHANISMS; for the SASL protocols, and only for them.
        username: SASL user; with a `token_url` the client id.
        password: of the user; with a `token_url` the client secret.
        ca_file: PEM; who may sign the brokers' certificates. Without it the authorities that
            Python and Java bring along.
        certificate_file: PEM; chain of the client's own certificate, for mutual TLS.
        key_file: PEM; key of that certificate, PKCS#8, not encrypted.
        token_file: holds the token (JWT) of OAUTHBEARER; read again for each new connection.
        token_url: endpoint that gives the token to client credentials; https, as it is sent the
            password.
        token_scope: what to ask the endpoint for.

    Raises:
        KafkaSecurityError: They do not fit together, or a file cannot be used.
    """

    protocol: str = PLAINTEXT
    mechanism: str | None = None
    username: str | None = None
    password: SecretStr | None = None
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None
    token_file: Path | None = None
    token_url: str | None = None
    token_scope: str | None = None

    def __post_init__(self) -> None:
        if self.protocol not in PROTOCOLS:
            _refuse("security protocol", self.protocol, ", ".join(PROTOCOLS))
        if self.uses_sasl:
            self._check_sasl()
        else:
            self._check_absent("a SASL protocol", *_OF_SASL)
        if self.uses_tls:
            self._check_tls()
        else:
            self._check_absent("SSL or SASL_SSL", *_OF_TLS)

    @property
    def uses_tls(self) -> bool:
        """Whether connections are encrypted."""
        return self.protocol.endswith("SSL")

    @property
    def uses_sasl(self) -> bool:
        """Whether the client gives its name by SASL."""
        return self.protocol.startswith("SASL_")

    def _check_sasl(self) -> None:
        if self.mechanism not in MECHANISMS:
            _refuse(f"SASL mechanism for {self.protocol}", self.mechanism, ", ".join(MECHANISMS))
        if self.mechanism != OAUTHBEARER:
            self._check_absent(OAUTHBEARER, *_OF_TOKENS)
            self._check_credentials(str(self.mechanism))
        elif (self.token_file is None) == (self.token_url is None):
            got = "neither" if self.token_file is None else "both"
            _refuse(OAUTHBEARER, got, "a token file or a token endpoint")
        elif self.token_url is None:
            self._check_absent("a token endpoint", "username", "password", "token_scope")
            _check_file("token file", self.token_file)
        else:
            _check_endpoint(self.token_url)
            self._check_credentials("a token endpoint")

    def _check_credentials(self, what: str) -> None:
        if not self.username:
            _refuse(f"user name for {what}", self.username, "a name")
        if self.password is None or not self.password.get_secret_value():
            _refuse(f"password for {what}", "none", "a password, direct or by file")
        if "\0" in f"{self.username}{self.password.get_secret_value() if self.password else ''}":
            _refuse(f"user name or password for {what}", "a zero character", "any other")

    def _check_tls(self) -> None:
        _check_file("CA file", self.ca_file, _CERTIFICATE_HEADER)
        if (self.certificate_file is None) != (self.key_file is None):
            got = "only a key" if self.certificate_file is None else "only a certificate"
            _refuse("mutual TLS", got, "both files or none")
        _check_file("certificate file", self.certificate_file, _CERTIFICATE_HEADER)
        _check_file("key file", self.key_file, _KEY_HEADER)

    def _check_absent(self, needed: str, *names: str) -> None:
        # What is ignored would look as if it protected something.
        got = [name for name in names if getattr(self, name) is not None]
        if got:
            where = f"{self.protocol} {self.mechanism or ''}".strip()
            _refuse(f"Kafka security {where}", ", ".join(got), f"these only with {needed}")


_OF_TOKENS = ("token_file", "token_url", "token_scope")
_OF_SASL = ("mechanism", "username", "password", *_OF_TOKENS)
_OF_TLS = ("ca_file", "certificate_file", "key_file")


def read_secret(name: str, direct: SecretStr | None, path: Path | None) -> SecretStr | None:
    """Return a secret that is given as it is or by a file, whose last line break is not part of it.

    Raises:
        KafkaSecurityError: Both are given, or the file cannot be read.
    """
    if path is None:
        return direct
    if direct is not None:
        _refuse(name, "it direct and by file", "one of them")
    return SecretStr(_text(f"file of the {name}", path).removesuffix("\n").removesuffix("\r"))


def _check_endpoint(url: str) -> None:
    parts = urlsplit(url)
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
    if not (is_safe and parts.hostname):
        _refuse("token endpoint", f"{parts.scheme}://{parts.hostname}", "https://HOST...")
    if parts.username is not None or parts.password is not None:
        _refuse("token endpoint", "credentials in the URL", "user name and password of their own")


def _check_file(what: str, path: Path | None, header: str | None = None) -> None:
    if path is None:
        return
    text = _text(what, path)
    if header is not None and header not in text:
        found = next((line for line in text.splitlines() if line.startswith("-----BEGIN")), "none")
        _refuse(f"{what} {path}", found, header)


def _text(what: str, path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text"
        msg = f"{what}: got {path} ({reason}); allowed is a file that can be read"
        raise KafkaSecurityError(msg) from None


def _refuse(what: str, got: object, allowed: str) -> None:
    msg = f"{what}: got {got}; allowed: {allowed}"
    raise KafkaSecurityError(msg)
