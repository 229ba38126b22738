"""The security of a connection in the words of Flink's Java client.

Secrets are not among the options, which Flink keeps in plans and job graphs: an option names an
environment variable, which the client looks up where it runs.
"""

from pathlib import Path

from streaming.kafka.connection import KafkaConnection
from streaming.kafka.security import OAUTHBEARER, KafkaSecurity

# The Flink connector brings its own copy of Kafka's client, under these names.
_PACKAGE = "org.apache.flink.kafka.shaded.org.apache.kafka"
_SECURITY = f"{_PACKAGE}.common.security"
_OAUTH = f"{_SECURITY}.oauthbearer"

_LOGIN_MODULES = {
    "PLAIN": f"{_SECURITY}.plain.PlainLoginModule",
    "SCRAM-SHA-256": f"{_SECURITY}.scram.ScramLoginModule",
    "SCRAM-SHA-512": f"{_SECURITY}.scram.ScramLoginModule",
}

_VARIABLES = "SAMESTREAM_JAVA_KAFKA_"


def java_options(kafka: KafkaConnection) -> dict[str, str]:
    """Return client properties, without `bootstrap.servers`; none hold a secret."""
    security = kafka.security
    options = dict(kafka.java_properties)
    if security.uses_tls or security.uses_sasl:
        options["security.protocol"] = security.protocol
    if security.uses_tls:
        options |= _tls_options(security)
    if security.uses_sasl:
        options["sasl.mechanism"] = str(security.mechanism)
    if security.mechanism == OAUTHBEARER:
        options |= _token_options(security)
    secrets = _secrets(security)
    if secrets:
        options |= {
            "config.providers": "env",
            "config.providers.env.class": f"{_PACKAGE}.common.config.provider.EnvVarConfigProvider",
            "config.providers.env.param.allowlist.pattern": f"{_VARIABLES}.*",
        }
        options |= {name: f"${{env:{_variable(name)}}}" for name in secrets}
    return options


def java_environment(security: KafkaSecurity) -> dict[str, str]:
    """Return the environment variables that the options refer to; they hold secrets."""
    return {_variable(name): value for name, value in _secrets(security).items()}


def java_system_properties(security: KafkaSecurity) -> dict[str, str]:
    """Return what must be set for the whole JVM: where its clients may get tokens from."""
    if security.mechanism != OAUTHBEARER:
        return {}
    return {f"{_PACKAGE}.sasl.oauthbearer.allowed.urls": _token_url(security)}


def _secrets(security: KafkaSecurity) -> dict[str, str]:
    """Values of client properties that must not be among the options."""
    secrets = {}
    if security.password is not None:
        password = security.password.get_secret_value()
        if security.mechanism == OAUTHBEARER:
            secrets["sasl.oauthbearer.client.credentials.client.secret"] = password
        else:
            module = _LOGIN_MODULES[str(security.mechanism)]
            secrets["sasl.jaas.config"] = (
                f"{module} required username={_jaas(str(security.username))} "
                f"password={_jaas(password)};"
            )
    if security.key_file is not None and security.certificate_file is not None:
        # Java takes certificate and key from one file, or as text.
        secrets["ssl.keystore.certificate.chain"] = _text(security.certificate_file)
        secrets["ssl.keystore.key"] = _text(security.key_file)
    return secrets


def _tls_options(security: KafkaSecurity) -> dict[str, str]:
    options = {"ssl.endpoint.identification.algorithm": "https"}
    if security.ca_file is not None:
        options["ssl.truststore.type"] = "PEM"
        options["ssl.truststore.location"] = str(security.ca_file.absolute())
    if security.key_file is not None:
        options["ssl.keystore.type"] = "PEM"
    return options


def _token_options(security: KafkaSecurity) -> dict[str, str]:
    retriever = "ClientCredentials" if security.token_file is None else "File"
    options = {
        "sasl.jaas.config": f"{_OAUTH}.OAuthBearerLoginModule required;",
        "sasl.login.callback.handler.class": f"{_OAUTH}.OAuthBearerLoginCallbackHandler",
        "sasl.oauthbearer.jwt.retriever.class": f"{_OAUTH}.{retriever}JwtRetriever",
        # The default one needs a library for signatures, which the connector does not bring.
        "sasl.oauthbearer.jwt.validator.class": f"{_OAUTH}.ClientJwtValidator",
        "sasl.oauthbearer.token.endpoint.url": _token_url(security),
    }
    if security.token_url is not None:
        options["sasl.oauthbearer.client.credentials.client.id"] = str(security.username)
    if security.token_scope is not None:
        options["sasl.oauthbearer.scope"] = security.token_scope
    return options


def _token_url(security: KafkaSecurity) -> str:
    if security.token_file is not None:
        return security.token_file.absolute().as_uri()
    return str(security.token_url)


def _variable(name: str) -> str:
    return _VARIABLES + name.upper().replace(".", "_")


def _jaas(text: str) -> str:
    """Return the text as a quoted value of a login configuration."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")
