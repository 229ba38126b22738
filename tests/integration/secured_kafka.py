"""A broker whose clients must come by SASL_SSL, or by TLS with a certificate of their own."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from certificates import Authority
from kafka.admin import ScramMechanism, UserScramCredentialUpsertion
from tokens import AUDIENCE, TokenIssuer

from streaming.kafka.client import build_admin
from streaming.kafka.connection import KafkaConnection
from streaming.local.jars import ensure_jars
from streaming.local.kafka_server import KafkaServer
from streaming.local.state import StateDirectory

# Only this name is in the broker's certificate.
HOST = "localhost"
PLAIN_USER, PLAIN_PASSWORD = "plain-user", "plain-password"

_SECURITY = "org.apache.kafka.common.security"


class SecuredKafka:
    """The broker and what its clients need to know."""

    def __init__(self, directory: Path) -> None:
        self.authority = Authority(directory, "trusted")
        self.issuer = TokenIssuer()
        self._state = StateDirectory(directory / "broker")
        self._state.acquire()
        self.address = f"{HOST}:{self._state.port('kafka_secured')}"
        self.mutual_address = f"{HOST}:{self._state.port('kafka_mutual')}"
        keys = directory / "keys.json"
        self.issuer.write_keys(keys)
        certificate, key = self.authority.issue(HOST)
        key_store = directory / "broker.pem"
        key_store.write_text(key.read_text() + certificate.read_text())
        self.server = KafkaServer(
            self._state,
            ensure_jars("kafka"),
            properties=self._properties(keys, key_store),
            system_properties={"org.apache.kafka.sasl.oauthbearer.allowed.urls": keys.as_uri()},
        )

    @contextmanager
    def running(self) -> Iterator["SecuredKafka"]:
        try:
            self.server.start()
            self.server.wait_ready()
            yield self
        finally:
            self.server.stop()
            self._state.release()

    @property
    def inside(self) -> KafkaConnection:
        """The listener for whoever runs the broker, without security."""
        return self.server.kafka

    def set_scram_password(self, user: str, password: str) -> None:
        """Make the user, or change the password."""
        admin = build_admin(self.inside)
        mechanism = ScramMechanism.SCRAM_SHA_512
        admin.alter_user_scram_credentials(
            [UserScramCredentialUpsertion(user, mechanism, password.encode())]
        )
        admin.close()

    def _properties(self, keys: Path, key_store: Path) -> dict[str, object]:
        inside = f"PLAINTEXT://{self._state.address('kafka')}"
        secured, mutual = f"SECURED://{self.address}", f"MUTUAL://{self.mutual_address}"
        of = "listener.name.secured"
        return {
            "listeners": ",".join(
                [
                    inside,
                    f"CONTROLLER://{self._state.address('kafka_controller')}",
                    *(listener.replace(HOST, "127.0.0.1") for listener in (secured, mutual)),
                ]
            ),
            "advertised.listeners": f"{inside},{secured},{mutual}",
            "listener.security.protocol.map": (
                "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURED:SASL_SSL,MUTUAL:SSL"
            ),
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": key_store,
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": self.authority.ca_file,
            "listener.name.mutual.ssl.client.auth": "required",
            f"{of}.ssl.client.auth": "requested",
            f"{of}.sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-512,OAUTHBEARER",
            f"{of}.plain.sasl.jaas.config": (
                f'{_SECURITY}.plain.PlainLoginModule required user_{PLAIN_USER}="{PLAIN_PASSWORD}";'
            ),
            f"{of}.scram-sha-512.sasl.jaas.config": (
                f"{_SECURITY}.scram.ScramLoginModule required;"
            ),
            f"{of}.oauthbearer.sasl.jaas.config": (
                f"{_SECURITY}.oauthbearer.OAuthBearerLoginModule required;"
            ),
            f"{of}.oauthbearer.sasl.server.callback.handler.class": (
                f"{_SECURITY}.oauthbearer.OAuthBearerValidatorCallbackHandler"
            ),
            f"{of}.oauthbearer.sasl.oauthbearer.jwks.endpoint.url": keys.as_uri(),
            f"{of}.oauthbearer.sasl.oauthbearer.expected.audience": AUDIENCE,
        }
