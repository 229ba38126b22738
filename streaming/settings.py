"""The settings of every process: environment variables `SAMESTREAM_*` over the defaults."""

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from streaming.kafka.connection import KafkaConnection
from streaming.kafka.registry import RegistryAccess
from streaming.kafka.security import KafkaSecurity, read_secret


class Settings(BaseSettings):
    """Typed settings; only entry points create one."""

    model_config = SettingsConfigDict(env_prefix="SAMESTREAM_", env_ignore_empty=True, frozen=True)

    definitions: str = Field(
        default="features.examples.flights", description="module that offers DEFINITIONS"
    )
    state_dir: Path = Field(default=Path(".samestream"), description="data, logs, ports, registry")
    jar_cache: Path = Field(
        default=Path.home() / ".cache" / "samestream" / "jars",
        description="verified jars are kept here",
    )
    bootstrap_servers: str = Field(default="127.0.0.1:9092", description="Kafka, comma separated")
    kafka_security_protocol: str = Field(
        default="PLAINTEXT", description="PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL"
    )
    kafka_sasl_mechanism: str | None = Field(
        default=None, description="PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER"
    )
    kafka_username: str | None = Field(
        default=None, description="SASL user; the client id for a token endpoint"
    )
    kafka_password: SecretStr | None = Field(
        default=None, description="of the SASL user; the client secret for a token endpoint"
    )
    kafka_password_file: Path | None = Field(
        default=None, description="holds the password, instead of kafka_password"
    )
    kafka_ca_file: Path | None = Field(
        default=None, description="PEM; who may sign the brokers' certificates"
    )
    kafka_certificate_file: Path | None = Field(
        default=None, description="PEM; own certificate, for mutual TLS"
    )
    kafka_key_file: Path | None = Field(
        default=None, description="PEM, PKCS#8, not encrypted; key of the own certificate"
    )
    kafka_token_file: Path | None = Field(
        default=None, description="OAUTHBEARER: holds the token; somebody keeps it fresh"
    )
    kafka_token_url: str | None = Field(
        default=None, description="OAUTHBEARER: endpoint that gives tokens to client credentials"
    )
    kafka_token_scope: str | None = Field(
        default=None, description="OAUTHBEARER: scope to ask the endpoint for"
    )
    kafka_java_properties: dict[str, str] = Field(
        default={}, description="JSON; client properties for Flink only, of a short list"
    )
    registry_url: str | None = Field(
        default=None, description="schema registry, such as http://HOST/apis/ccompat/v7"
    )
    registry_username: str | None = Field(default=None, description="basic authentication")
    registry_password: SecretStr | None = Field(default=None, description="of the user")
    registry_password_file: Path | None = Field(
        default=None, description="holds the password, instead of registry_password"
    )
    registry_token: SecretStr | None = Field(default=None, description="bearer token")
    registry_token_file: Path | None = Field(
        default=None, description="holds the token, instead of registry_token"
    )
    registry_ca_file: Path | None = Field(
        default=None, description="PEM; who may sign the registry's certificate"
    )
    registry_certificate_file: Path | None = Field(
        default=None, description="PEM; own certificate, for mutual TLS"
    )
    registry_key_file: Path | None = Field(
        default=None, description="PEM; key of the own certificate"
    )
    online_store: str = Field(default="127.0.0.1:6379", description="Valkey or Redis, host:port")
    partitions: int = Field(default=2, ge=1, description="partitions of the topics of a new log")
    clock: Literal["wall", "replay"] = Field(
        default="wall", description="who makes the heartbeats of a new log: intake or the replayer"
    )
    parallelism: int = Field(default=1, ge=1, description="parallelism of the Flink jobs")
    ring_slides: int = Field(default=100, ge=1, description="slides of rows kept per entity online")
    archive_rows: int = Field(
        default=50_000, ge=1, description="rows of a view that the archive writes offline at once"
    )
    archive_seconds: float = Field(
        default=60.0, ge=0, description="how long the archive may gather rows before it writes them"
    )
    max_wait_seconds: float = Field(
        default=20.0, gt=0, description="how long a batch of requests waits for a view"
    )
    store_timeout_seconds: float = Field(
        default=2.0, gt=0, description="how long scoring waits for an answer of the online store"
    )
    scoring_threads: int = Field(
        default=1, ge=1, description="threads of XGBoost in each process that scores"
    )
    http_host: str = Field(
        default="127.0.0.1", description="address of the endpoint; beyond loopback it needs keys"
    )
    http_port: int = Field(default=8080, ge=0, le=65_535, description="port of the endpoint")
    api_keys_file: Path | None = Field(
        default=None, description="hashes of the API keys of the endpoint, see `samestream api-key`"
    )
    http_queue_requests: int = Field(
        default=1_000, ge=1, description="requests that may wait to be scored; more get a 503"
    )
    http_max_requests: int = Field(default=500, ge=1, description="requests in one call")
    http_max_body_bytes: int = Field(default=1_048_576, ge=1, description="body of one call")
    http_timeout_seconds: float = Field(
        default=5.0, gt=0, description="how long a body may take, and how long a call may wait"
    )
    http_wait_seconds: float = Field(
        default=1.0, gt=0, description="how long a call waits for its time to come, or for a view"
    )
    http_staleness_seconds: float = Field(
        default=60.0, ge=0, description="how far a view may be behind before /readyz is red"
    )
    flink_heap_mb: int = Field(default=1792, ge=512, description="-Xmx of a Flink JVM")

    @property
    def kafka(self) -> KafkaConnection:
        """Where Kafka is and how to connect to it; a password file is read anew each time.

        Raises:
            KafkaSecurityError: The settings do not fit together, or a file cannot be used.
        """
        return KafkaConnection(
            bootstrap_servers=self.bootstrap_servers,
            security=KafkaSecurity(
                protocol=self.kafka_security_protocol,
                mechanism=self.kafka_sasl_mechanism,
                username=self.kafka_username,
                password=read_secret(
                    "Kafka password", self.kafka_password, self.kafka_password_file
                ),
                ca_file=self.kafka_ca_file,
                certificate_file=self.kafka_certificate_file,
                key_file=self.kafka_key_file,
                token_file=self.kafka_token_file,
                token_url=self.kafka_token_url,
                token_scope=self.kafka_token_scope,
            ),
            java_properties=self.kafka_java_properties,
        )

    @property
    def registry(self) -> RegistryAccess | None:
        """Where the schema registry is, if there is one; files of secrets are read anew each time.

        Raises:
            RegistrySettingsError: The settings do not fit together.
            KafkaSecurityError: A file of a secret cannot be used.
        """
        if self.registry_url is None:
            return None
        return RegistryAccess(
            url=self.registry_url,
            username=self.registry_username,
            password=read_secret(
                "registry password", self.registry_password, self.registry_password_file
            ),
            token=read_secret("registry token", self.registry_token, self.registry_token_file),
            ca_file=self.registry_ca_file,
            certificate_file=self.registry_certificate_file,
            key_file=self.registry_key_file,
        )

    @property
    def offline_dir(self) -> Path:
        """Root of the offline store: one directory for each view and fingerprint."""
        return self.state_dir.resolve() / "offline"

    @property
    def feature_store_yaml(self) -> Path:
        """Where a running system keeps its rendered Feast configuration."""
        return self.state_dir.resolve() / "feature_store.yaml"
