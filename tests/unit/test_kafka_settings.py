"""What may be set for the security of Kafka connections, and what clients are given for it."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from features.examples.flights import DEFINITIONS
from streaming.flink.ddl import feature_sink, progress_sink, scan_tables
from streaming.kafka.connection import KafkaConnection
from streaming.kafka.java_options import java_environment, java_options, java_system_properties
from streaming.kafka.python_options import python_options
from streaming.kafka.security import KafkaSecurity, KafkaSecurityError
from streaming.kafka.tokens import ClientCredentialsToken, FileToken
from streaming.local.stack import EmbeddedStack
from streaming.local.state import StateDirectory
from streaming.local.system import connected, environment
from streaming.settings import Settings

CANARY = "canary \"a\\b 'pass' ${env:HOME};"
SHADED = "org.apache.flink.kafka.shaded.org.apache.kafka"


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    texts = {
        "ca": "-----BEGIN CERTIFICATE-----\nca",
        "certificate": "-----BEGIN CERTIFICATE-----\nown",
        "key": "-----BEGIN PRIVATE KEY-----\ncanary",
        "old_key": "-----BEGIN RSA PRIVATE KEY-----\ncanary",
        "token": "header.claims.signature\n",
        "password": CANARY + "\n",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    return {name: tmp_path / name for name in [*texts, "missing"]}


SCRAM = {
    "kafka_security_protocol": "SASL_SSL",
    "kafka_sasl_mechanism": "SCRAM-SHA-512",
    "kafka_username": "me",
    "kafka_password": CANARY,
}
OAUTH = {"kafka_security_protocol": "SASL_SSL", "kafka_sasl_mechanism": "OAUTHBEARER"}
URL = "https://sso.example/token"


def connection(files: dict[str, Path], values: dict[str, Any]) -> KafkaConnection:
    """Settings of these values; one of a file may be a name of `files`."""
    known = {
        name: files.get(value, value) if name.endswith("_file") else value
        for name, value in values.items()
    }
    return Settings(bootstrap_servers="kafka:9092", **known).kafka


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"kafka_security_protocol": "TLS"}, "got TLS; allowed: PLAINTEXT, SSL, SASL_PLAINTEXT"),
        ({"kafka_username": "me"}, "got username; allowed: these only with a SASL protocol"),
        ({"kafka_password": CANARY}, "got password; allowed: these only with a SASL protocol"),
        ({"kafka_ca_file": "ca"}, "got ca_file; allowed: these only with SSL or SASL_SSL"),
        (
            {"kafka_security_protocol": "SSL", "kafka_sasl_mechanism": "PLAIN"},
            "SSL PLAIN: got mechanism; allowed: these only with a SASL protocol",
        ),
        ({"kafka_security_protocol": "SASL_SSL"}, "got None; allowed: PLAIN, SCRAM-SHA-256"),
        (SCRAM | {"kafka_sasl_mechanism": "GSSAPI"}, "got GSSAPI; allowed: PLAIN"),
        (SCRAM | {"kafka_username": None}, "user name for SCRAM-SHA-512: got None; allowed"),
        (SCRAM | {"kafka_password": None}, "password for SCRAM-SHA-512: got none; allowed"),
        (SCRAM | {"kafka_password": CANARY + "\0"}, "got a zero character"),
        (SCRAM | {"kafka_password_file": "password"}, "Kafka password: got it direct and by file"),
        (
            SCRAM | {"kafka_password": None, "kafka_password_file": "missing"},
            r"file of the Kafka password: got \S+missing \(No such file",
        ),
        (SCRAM | {"kafka_ca_file": "missing"}, r"CA file: got \S+missing \(No such file"),
        (SCRAM | {"kafka_ca_file": "key"}, "BEGIN PRIVATE KEY-----; allowed: -----BEGIN CERT"),
        (SCRAM | {"kafka_certificate_file": "certificate"}, "got only a certificate; allowed: bo"),
        (SCRAM | {"kafka_key_file": "key"}, "mutual TLS: got only a key; allowed: both"),
        (
            SCRAM | {"kafka_certificate_file": "certificate", "kafka_key_file": "old_key"},
            "BEGIN RSA PRIVATE KEY-----; allowed: -----BEGIN PRIVATE KEY",
        ),
        (SCRAM | {"kafka_token_url": URL}, "got token_url; allowed: these only with OAUTHBEARER"),
        (OAUTH, "OAUTHBEARER: got neither; allowed: a token file or a token endpoint"),
        (OAUTH | {"kafka_token_file": "token", "kafka_token_url": URL}, "OAUTHBEARER: got both"),
        (OAUTH | {"kafka_token_file": "token", "kafka_username": "me"}, "got username; allowed"),
        (OAUTH | {"kafka_token_file": "missing"}, r"token file: got \S+missing"),
        (OAUTH | {"kafka_token_url": URL}, "user name for a token endpoint: got None"),
        (
            SCRAM | OAUTH | {"kafka_token_url": "http://sso.example/token"},
            "token endpoint: got http://sso.example; allowed: https",
        ),
        (SCRAM | OAUTH | {"kafka_token_url": "https://a:b@c/"}, "got credentials in the URL"),
        (
            {"kafka_java_properties": {"sasl.jaas.config": CANARY}},
            r"Java client properties: got \['sasl.jaas.config'\]; allowed: client.dns.lookup",
        ),
    ],
)
def test_what_does_not_fit_together_is_refused_and_the_secret_is_not_told(
    files: dict[str, Path], values: dict[str, Any], told: str
) -> None:
    with pytest.raises(KafkaSecurityError, match=told) as error:
        connection(files, values)
    assert "\n" not in str(error.value)
    assert CANARY not in str(error.value)


def test_without_security_flink_is_given_nothing() -> None:
    kafka = KafkaConnection(bootstrap_servers="kafka:9092")
    assert java_options(kafka) == {}
    assert java_environment(kafka.security) == java_system_properties(kafka.security) == {}
    assert python_options(kafka.security) == {"security_protocol": "PLAINTEXT"}


def test_a_password_for_both_clients(files: dict[str, Path]) -> None:
    by_file = {"kafka_password": None, "kafka_password_file": "password", "kafka_ca_file": "ca"}
    kafka = connection(files, SCRAM | by_file)
    assert python_options(kafka.security) == {
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "me",
        "sasl_plain_password": CANARY,
        "ssl_check_hostname": True,
        "ssl_cafile": files["ca"],
        "ssl_certfile": None,
        "ssl_keyfile": None,
    }
    assert java_options(kafka) == {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.jaas.config": "${env:SAMESTREAM_JAVA_KAFKA_SASL_JAAS_CONFIG}",
        "ssl.endpoint.identification.algorithm": "https",
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(files["ca"]),
        "config.providers": "env",
        "config.providers.env.class": f"{SHADED}.common.config.provider.EnvVarConfigProvider",
        "config.providers.env.param.allowlist.pattern": "SAMESTREAM_JAVA_KAFKA_.*",
    }
    assert java_environment(kafka.security) == {
        "SAMESTREAM_JAVA_KAFKA_SASL_JAAS_CONFIG": (
            f"{SHADED}.common.security.scram.ScramLoginModule required "
            'username="me" password="canary \\"a\\\\b \'pass\' ${env:HOME};";'
        )
    }


def test_a_certificate_for_both_clients(files: dict[str, Path]) -> None:
    own = {"kafka_certificate_file": "certificate", "kafka_key_file": "key"}
    kafka = connection(files, {"kafka_security_protocol": "SSL"} | own)
    python = python_options(kafka.security)
    assert (python["ssl_certfile"], python["ssl_keyfile"]) == (files["certificate"], files["key"])
    options, secrets = java_options(kafka), java_environment(kafka.security)
    assert options["ssl.keystore.type"] == "PEM"
    assert options["ssl.keystore.key"] == "${env:SAMESTREAM_JAVA_KAFKA_SSL_KEYSTORE_KEY}"
    assert secrets["SAMESTREAM_JAVA_KAFKA_SSL_KEYSTORE_KEY"] == files["key"].read_text()
    assert len(secrets) == 2


def test_tokens_for_both_clients(files: dict[str, Path]) -> None:
    by_file = connection(files, OAUTH | {"kafka_token_file": "token"})
    url = files["token"].as_uri()
    provider = python_options(by_file.security)["sasl_oauth_token_provider"]
    assert isinstance(provider, FileToken)
    assert provider.token() == "header.claims.signature"
    assert java_options(by_file)["sasl.oauthbearer.token.endpoint.url"] == url
    assert java_environment(by_file.security) == {}
    allowed = f"{SHADED}.sasl.oauthbearer.allowed.urls"
    assert java_system_properties(by_file.security) == {allowed: url}

    by_secret = connection(
        files, SCRAM | OAUTH | {"kafka_token_url": URL, "kafka_token_scope": "kafka"}
    )
    provider = python_options(by_secret.security)["sasl_oauth_token_provider"]
    assert isinstance(provider, ClientCredentialsToken)
    options = java_options(by_secret)
    assert options["sasl.oauthbearer.client.credentials.client.id"] == "me"
    assert options["sasl.oauthbearer.scope"] == "kafka"
    assert list(java_environment(by_secret.security).values()) == [CANARY]
    assert java_system_properties(by_secret.security) == {allowed: URL}


def test_nothing_that_shows_a_connection_shows_a_secret(files: dict[str, Path]) -> None:
    own = {"kafka_certificate_file": "certificate", "kafka_key_file": "key"}
    kafka = connection(files, SCRAM | own | {"kafka_java_properties": {"client.rack": "a"}})
    view = DEFINITIONS.views[0]
    statements = [
        *scan_tables(view.source, (view.window.size_ms,), kafka=kafka, parallelism=1),
        feature_sink(view, kafka=kafka),
        progress_sink(kafka=kafka),
    ]
    for statement in statements:
        assert "'properties.security.protocol' = 'SASL_SSL'" in statement
        assert "'properties.client.rack' = 'a'" in statement
    shown = "".join(statements) + repr(kafka) + repr(Settings(**SCRAM)) + str(Settings(**SCRAM))
    assert "canary" not in shown
    # Negative control: where the secrets have to be, they are found.
    assert [value.count("canary") for value in java_environment(kafka.security).values()] == [
        1,
        0,
        1,
    ]


def test_a_child_process_gets_every_setting_and_inherits_none(
    files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(
        **SCRAM, kafka_ca_file=files["ca"], kafka_java_properties={"client.rack": 'a "b"'}
    )
    monkeypatch.setenv("SAMESTREAM_KAFKA_TOKEN_URL", URL)
    for name, value in environment(settings).items():
        monkeypatch.setenv(name, value)
    assert Settings() == settings
    assert Settings().kafka.security.password == SecretStr(CANARY)
    assert json.loads(environment(settings)["SAMESTREAM_KAFKA_JAVA_PROPERTIES"])


def test_the_embedded_stack_is_without_security(files: dict[str, Path], tmp_path: Path) -> None:
    settings = Settings(**SCRAM, kafka_ca_file=files["ca"])
    stack = EmbeddedStack(StateDirectory(tmp_path))
    assert connected(settings, stack).kafka == stack.kafka
    assert stack.kafka.security == KafkaSecurity()
