"""The security of a connection in the words of kafka-python."""

from typing import Any

from streaming.kafka.security import OAUTHBEARER, KafkaSecurity
from streaming.kafka.tokens import ClientCredentialsToken, FileToken


def python_options(security: KafkaSecurity) -> dict[str, Any]:
    """Return keyword arguments for every client of kafka-python; they hold secrets."""
    options: dict[str, Any] = {"security_protocol": security.protocol}
    if security.uses_tls:
        options |= {
            "ssl_check_hostname": True,
            "ssl_cafile": security.ca_file,
            "ssl_certfile": security.certificate_file,
            "ssl_keyfile": security.key_file,
        }
    if security.uses_sasl:
        options["sasl_mechanism"] = security.mechanism
    if security.mechanism == OAUTHBEARER:
        options["sasl_oauth_token_provider"] = (
            ClientCredentialsToken(security)
            if security.token_file is None
            else FileToken(security.token_file)
        )
    elif security.password is not None:
        options["sasl_plain_username"] = security.username
        options["sasl_plain_password"] = security.password.get_secret_value()
    return options
