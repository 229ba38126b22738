"""Kafka in KRaft combined mode: one process that is broker and controller, on 127.0.0.1 only."""

import base64
import shutil
import uuid
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path

from streaming.kafka.admin import is_answering
from streaming.kafka.connection import KafkaConnection
from streaming.local.java import java_command
from streaming.local.ports import LOCALHOST, is_port_free, require_free_port
from streaming.local.process import ChildProcess
from streaming.local.state import StateDirectory

# After a kill -9 the broker waits until its former registration has expired, up to 13 s.
_READY_WITHIN = timedelta(seconds=60)
_FORMATTED_WITHIN = timedelta(seconds=60)
_STOPPED_WITHIN = timedelta(seconds=20)
_MAX_INT = 2_147_483_647

_FORMAT_HEAP_MB = 128
_SERVER_HEAP_MB = 512


class KafkaServer:
    """The embedded Kafka broker of a state directory."""

    name = "kafka"

    def __init__(
        self,
        state: StateDirectory,
        jars: Sequence[Path],
        *,
        properties: Mapping[str, object] | None = None,
        system_properties: Mapping[str, str] | None = None,
    ) -> None:
        """Choose or read the ports; nothing is started.

        Args:
            state: A locked state directory.
            jars: The files of the `kafka` set.
            properties: Of the broker, beside or in the place of the usual ones; a PLAINTEXT
                listener at the usual address must be left.
            system_properties: Of its JVM.
        """
        self._state = state
        self._jars = list(jars)
        self._own_properties = dict(properties or {})
        self._system_properties = dict(system_properties or {})
        self._port = state.port("kafka")
        self._controller_port = state.port("kafka_controller")
        self.process = ChildProcess(
            command=self._command("kafka.Kafka", _SERVER_HEAP_MB, str(self._properties_path)),
            log_path=state.log_path("kafka"),
            pid_path=state.pid_path("kafka"),
        )

    @property
    def kafka(self) -> KafkaConnection:
        """How clients connect."""
        return KafkaConnection(bootstrap_servers=self._state.address(self.name))

    def start(self) -> None:
        """Format the storage if it is new and start the process; return before it is ready.

        Raises:
            PortInUseError: A port of this state directory is taken.
            ChildFailedError: The storage cannot be formatted.
        """
        for port, name in ((self._port, "Kafka"), (self._controller_port, "Kafka's controller")):
            require_free_port(port, name=name, ports_path=self._state.ports_path)
        self._write_configuration()
        if not (self._state.kafka_data / "meta.properties").exists():
            self._format()
        self.process.start()

    def wait_ready(self) -> None:
        """Wait until the broker answers an admin call.

        Raises:
            ChildFailedError: It ended, or did not answer in time.
        """
        self.process.wait_ready(self._answers, timeout=_READY_WITHIN)

    def stop(self) -> None:
        """Shut the broker down; exit code 143 is its clean end."""
        self.process.stop(timeout=_STOPPED_WITHIN)

    def _answers(self) -> bool:
        if is_port_free(self._port):
            return False
        return is_answering(self.kafka)

    @property
    def _properties_path(self) -> Path:
        return self._state.config / "kafka.properties"

    @property
    def _log4j_path(self) -> Path:
        return self._state.config / "kafka-log4j2.properties"

    def _command(self, main_class: str, max_heap_mb: int, *arguments: str) -> list[str]:
        return java_command(
            jars=self._jars,
            main_class=main_class,
            max_heap_mb=max_heap_mb,
            properties={
                "log4j2.configurationFile": str(self._log4j_path),
                **self._system_properties,
            },
            arguments=arguments,
        )

    def _write_configuration(self) -> None:
        self._log4j_path.write_text(_LOG4J2.format(logs=self._state.logs), encoding="utf-8")
        self._properties_path.write_text(self._properties(self._state.kafka_data), encoding="utf-8")

    def _properties(self, data: Path) -> str:
        return "".join(
            f"{name}={value}\n"
            for name, value in {
                "process.roles": "broker,controller",
                "node.id": 1,
                "controller.quorum.bootstrap.servers": f"{LOCALHOST}:{self._controller_port}",
                "controller.listener.names": "CONTROLLER",
                "listeners": (
                    f"PLAINTEXT://{self.kafka.bootstrap_servers},"
                    f"CONTROLLER://{LOCALHOST}:{self._controller_port}"
                ),
                "log.dirs": data,
                **_SERVER_PROPERTIES,
                **self._own_properties,
            }.items()
        )

    def _format(self) -> None:
        # Formatted beside its place, so that a kill in between leaves nothing half formatted.
        new_data = self._state.kafka_data.with_name("kafka.new")
        shutil.rmtree(new_data, ignore_errors=True)
        shutil.rmtree(self._state.kafka_data, ignore_errors=True)
        format_path = self._state.config / "kafka-format.properties"
        format_path.write_text(self._properties(new_data), encoding="utf-8")
        arguments = ("format", "--standalone", f"--cluster-id={_new_cluster_id()}")
        formatting = ChildProcess(
            command=self._command(
                "kafka.tools.StorageTool",
                _FORMAT_HEAP_MB,
                *arguments,
                f"--config={format_path}",
            ),
            log_path=self._state.log_path("kafka-format"),
            pid_path=self._state.pid_path("kafka-format"),
        )
        formatting.start()
        try:
            formatting.run_to_end(timeout=_FORMATTED_WITHIN)
        finally:
            formatting.stop(timeout=timedelta(0))
        new_data.replace(self._state.kafka_data)


def _new_cluster_id() -> str:
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode("ascii").rstrip("=")


_SERVER_PROPERTIES = {
    # The log is the only truth: topics are created on purpose and kept for ever.
    "auto.create.topics.enable": "false",
    "log.retention.ms": -1,
    "log.retention.bytes": -1,
    "offsets.retention.minutes": _MAX_INT,
    "transactional.id.expiration.ms": _MAX_INT,
    # One broker, small internal topics.
    "offsets.topic.replication.factor": 1,
    "offsets.topic.num.partitions": 4,
    "transaction.state.log.replication.factor": 1,
    "transaction.state.log.min.isr": 1,
    "transaction.state.log.num.partitions": 4,
    "group.initial.rebalance.delay.ms": 0,
    # The default of 128 MiB is taken from the heap at once, for compacting the offsets alone.
    "log.cleaner.dedupe.buffer.size": 16 * 1024 * 1024,
}

_LOG4J2 = """\
rootLogger.level = INFO
rootLogger.appenderRef.file.ref = file
rootLogger.appenderRef.console.ref = console

appender.file.type = RollingFile
appender.file.name = file
appender.file.fileName = {logs}/kafka-server.log
appender.file.filePattern = {logs}/kafka-server.log.%i
appender.file.layout.type = PatternLayout
appender.file.layout.pattern = %d{{yyyy-MM-dd'T'HH:mm:ss.SSS'Z'}}{{UTC}} %p %m (%c)%n
appender.file.policies.type = Policies
appender.file.policies.size.type = SizeBasedTriggeringPolicy
appender.file.policies.size.size = 10MB
appender.file.strategy.type = DefaultRolloverStrategy
appender.file.strategy.max = 3

appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %p %m (%c)%n%throwable{{short}}
appender.console.filter.threshold.type = ThresholdFilter
appender.console.filter.threshold.level = ERROR
"""
