"""The Flink table environment of this process, in a JVM of its own."""

from collections.abc import Mapping
from pathlib import Path

from pyflink.common import Configuration
from pyflink.table import EnvironmentSettings, TableEnvironment

from streaming.flink.jvm import ensure_jvm
from streaming.kafka.java_options import java_environment, java_system_properties
from streaming.local.jars import ensure_jars
from streaming.settings import Settings

# The same for every job: both modes must plan, and compute, alike.
_OPTIONS = {
    "execution.runtime-mode": "STREAMING",
    "table.local-time-zone": "UTC",
    # The rows and the progress of a view share one plan; without it each is computed twice.
    "table.optimizer.reuse-optimize-block-with-digest-enabled": "true",
    # Merging twice, before and after a shuffle, only costs when subtasks are few.
    "table.optimizer.agg-phase-strategy": "ONE_PHASE",
    "pipeline.object-reuse": "true",
    "pipeline.generic-types": "false",
    "jobmanager.bind-host": "127.0.0.1",
    "taskmanager.bind-host": "127.0.0.1",
    "rest.bind-address": "127.0.0.1",
    "taskmanager.memory.network.min": "128m",
    "taskmanager.memory.network.max": "128m",
}

# Kafka's client registers how to log in by token with the whole JVM, so its classes must be the
# same for all jobs; what a job brings along is loaded anew for each. Jackson reads the tokens.
_SHARED = ("flink-sql-connector-kafka-", "jackson-")


def create_environment(
    settings: Settings, options: Mapping[str, str], *, log_dir: Path
) -> TableEnvironment:
    """Create a table environment; the first call of a process starts its JVM.

    Args:
        settings: heap size, parallelism, secrets of Kafka and where the jars are.
        options: Flink options of this job.
        log_dir: receives the JVM's log; a process needs one of its own.
    """
    security = settings.kafka.security
    jars = ensure_jars("flink", settings.jar_cache)
    shared = [jar for jar in jars if jar.name.startswith(_SHARED)]
    ensure_jvm(
        max_heap_mb=settings.flink_heap_mb,
        log_dir=log_dir,
        jars=shared,
        environment=java_environment(security),
        system_properties=java_system_properties(security),
    )
    configuration = Configuration()
    own = {
        "pipeline.jars": ";".join(jar.absolute().as_uri() for jar in jars if jar not in shared),
        "parallelism.default": str(settings.parallelism),
    }
    for key, value in (_OPTIONS | own | dict(options)).items():
        configuration.set_string(key, value)
    mode = EnvironmentSettings.new_instance().in_streaming_mode().with_configuration(configuration)
    return TableEnvironment.create(mode.build())
