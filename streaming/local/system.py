"""The whole system on one machine: the embedded stack and every samestream process on it."""

import json

from pydantic import SecretStr

from features.definitions import Definitions
from streaming.local.process import ChildProcess
from streaming.local.stack import EmbeddedStack
from streaming.local.state import StateDirectory
from streaming.local.supervisor import ProcessSpec, start_supervisor
from streaming.settings import Settings

_DEFAULT_KAFKA, _DEFAULT_REGISTRY = (
    {
        name: field.default
        for name, field in Settings.model_fields.items()
        if name.startswith(prefix)
    }
    for prefix in ("kafka_", "registry_")
)


def connected(settings: Settings, stack: EmbeddedStack) -> Settings:
    """Return the settings with the addresses of an embedded stack, which is without security."""
    return settings.model_copy(
        update={
            **_DEFAULT_KAFKA,
            "state_dir": stack.state.root,
            "bootstrap_servers": stack.bootstrap_servers,
            "online_store": stack.redis_address,
            **_registry(stack),
        }
    )


def _registry(stack: EmbeddedStack) -> dict[str, object]:
    """Return the settings of a stack's own schema registry; without one, any other may be set."""
    if stack.registry_url is None:
        return {}
    return {**_DEFAULT_REGISTRY, "registry_url": stack.registry_url}


def embedded_settings(settings: Settings) -> Settings:
    """Return the settings with the addresses of the stack whose state directory they name."""
    return connected(settings, EmbeddedStack(StateDirectory(settings.state_dir)))


def environment(settings: Settings) -> dict[str, str]:
    """Return the environment that gives a child process these settings, secrets included.

    What is not set is empty, so that the child does not inherit it from this process.
    """
    values = settings.model_dump()
    return {f"SAMESTREAM_{name.upper()}": _text(value) for name, value in values.items()}


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return json.dumps(value) if isinstance(value, dict) else str(value)


def process_specs(definitions: Definitions) -> list[ProcessSpec]:
    """Return every process that a running system consists of, beside the servers."""
    run = "run"
    return [
        *(
            ProcessSpec(name=f"intake-{source.name}", arguments=(run, "intake", source.name))
            for source in definitions.sources
        ),
        ProcessSpec(name="live", arguments=(run, "live")),
        ProcessSpec(name="ingest", arguments=(run, "ingest")),
        ProcessSpec(name="archive", arguments=(run, "archive")),
        *(
            ProcessSpec(name=f"scorer-{service.name}", arguments=(run, "scorer", service.name))
            for service in definitions.services
        ),
    ]


def start_processes(
    settings: Settings, stack: EmbeddedStack, definitions: Definitions
) -> ChildProcess:
    """Start the supervisor, which starts the processes and keeps them running; return it."""
    return start_supervisor(stack.state, process_specs(definitions), environment(settings))
