"""The whole system on one machine: the embedded stack and every samestream process on it."""

from features.definitions import Definitions
from streaming.local.process import ChildProcess
from streaming.local.stack import EmbeddedStack
from streaming.local.state import StateDirectory
from streaming.local.supervisor import ProcessSpec, start_supervisor
from streaming.settings import Settings


def connected(settings: Settings, stack: EmbeddedStack) -> Settings:
    """Return the settings with the addresses of an embedded stack."""
    return settings.model_copy(
        update={
            "state_dir": stack.state.root,
            "bootstrap_servers": stack.bootstrap_servers,
            "online_store": stack.redis_address,
        }
    )


def embedded_settings(settings: Settings) -> Settings:
    """Return the settings with the addresses of the stack whose state directory they name."""
    return connected(settings, EmbeddedStack(StateDirectory(settings.state_dir)))


def environment(settings: Settings) -> dict[str, str]:
    """Return the environment that gives a child process these settings."""
    values = settings.model_dump(mode="json")
    return {f"SAMESTREAM_{name.upper()}": str(value) for name, value in values.items()}


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
