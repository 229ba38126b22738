"""Where Kafka is and how to connect to it: what every client is built from."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from streaming.kafka.security import KafkaSecurity, KafkaSecurityError

# What tunes the network without a say in which records are read, written or trusted. Everything
# else that Flink's clients need has one right value, or a setting of its own.
JAVA_PROPERTIES = (
    "client.dns.lookup",
    "client.rack",
    "connections.max.idle.ms",
    "fetch.max.bytes",
    "max.partition.fetch.bytes",
    "metadata.max.age.ms",
    "receive.buffer.bytes",
    "reconnect.backoff.max.ms",
    "request.timeout.ms",
    "send.buffer.bytes",
    "socket.connection.setup.timeout.ms",
)


@dataclass(frozen=True, kw_only=True)
class KafkaConnection:
    """One cluster, for kafka-python and for Flink's Java client alike.

    Attributes:
        bootstrap_servers: host:port, comma separated.
        security: how clients and brokers prove who they are.
        java_properties: properties for Flink's clients only, of those in JAVA_PROPERTIES.
    """

    bootstrap_servers: str
    security: KafkaSecurity = field(default_factory=KafkaSecurity)
    java_properties: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        refused = sorted(self.java_properties.keys() - set(JAVA_PROPERTIES))
        if refused:
            msg = f"Java client properties: got {refused}; allowed: {', '.join(JAVA_PROPERTIES)}"
            raise KafkaSecurityError(msg)

    @property
    def servers(self) -> list[str]:
        """Each host:port."""
        return [server.strip() for server in self.bootstrap_servers.split(",")]
