"""The Flink table environment of this process, in a JVM of its own."""

import os
from collections.abc import Mapping
from pathlib import Path

from pyflink.common import Configuration
from pyflink.table import EnvironmentSettings, TableEnvironment

from streaming.local.jars import ensure_jars
from streaming.local.java import java_home
from streaming.settings import Settings

# Flink's internals reach into the JDK by reflection.
_OPENED = (
    "java.base/java.io",
    "java.base/java.lang",
    "java.base/java.lang.reflect",
    "java.base/java.net",
    "java.base/java.nio",
    "java.base/java.text",
    "java.base/java.time",
    "java.base/java.util",
    "java.base/java.util.concurrent",
    "java.base/java.util.concurrent.atomic",
    "java.base/java.util.concurrent.locks",
    "java.base/sun.nio.ch",
)

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


def create_environment(
    settings: Settings, options: Mapping[str, str], *, log_dir: Path
) -> TableEnvironment:
    """Create a table environment; the first call of a process starts its JVM.

    Args:
        settings: heap size, parallelism and where the jars are.
        options: Flink options of this job.
        log_dir: receives the JVM's log; a process needs one of its own.
    """
    _prepare_jvm(settings, log_dir)
    configuration = Configuration()
    jars = ensure_jars("flink", settings.jar_cache)
    own = {
        "pipeline.jars": ";".join(jar.absolute().as_uri() for jar in jars),
        "parallelism.default": str(settings.parallelism),
    }
    for key, value in (_OPTIONS | own | dict(options)).items():
        configuration.set_string(key, value)
    mode = EnvironmentSettings.new_instance().in_streaming_mode().with_configuration(configuration)
    return TableEnvironment.create(mode.build())


def _prepare_jvm(settings: Settings, log_dir: Path) -> None:
    """Tell PyFlink, which reads the environment when it starts its JVM, what to start."""
    log_dir.mkdir(parents=True, exist_ok=True)
    opened = [f"--add-opens={package}=ALL-UNNAMED" for package in _OPENED]
    heap = ["-Xms64m", f"-Xmx{settings.flink_heap_mb}m", "-XX:+UseSerialGC"]
    os.environ["JAVA_HOME"] = str(java_home())
    os.environ["FLINK_ENV_JAVA_OPTS"] = " ".join([*heap, "-Djava.awt.headless=true", *opened])
    os.environ["FLINK_LOG_DIR"] = str(log_dir.absolute())
