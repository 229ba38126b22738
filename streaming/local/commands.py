"""`samestream up`, `down` and `status`."""

from datetime import timedelta

from feature_repo.offline import complete_until_ms
from feature_repo.online_store import connect
from feature_repo.reader import OnlineReader
from feature_repo.rendering import PROJECT
from features.definitions import Definitions, load_definitions
from features.errors import SamestreamError
from features.instant import from_ms
from streaming.console import Console
from streaming.intake.counters import intake_counters
from streaming.intake.gate import Outcome
from streaming.local.deployment import deploy
from streaming.local.stack import EmbeddedStack
from streaming.local.state import StateDirectory
from streaming.local.system import connected, start_processes
from streaming.scoring.counters import Tally, scorer_counts
from streaming.settings import Settings

_MIB = 1024**2
_UNITS = (
    (timedelta(days=1), "d"),
    (timedelta(hours=1), "h"),
    (timedelta(minutes=1), "min"),
    (timedelta(seconds=1), "s"),
)


class NotRunningError(SamestreamError, RuntimeError):
    """A state directory on which nothing runs."""


def up(settings: Settings, *, with_registry: bool) -> None:
    """Start the stack and every process, and leave them running."""
    console = Console()
    stack = EmbeddedStack(StateDirectory(settings.state_dir), settings.jar_cache)
    with stack.stopped_on_failure():
        with console.step("Start the servers"), console.bar() as bar:
            stack.start(bar.downloaded, with_registry=with_registry)
        running = connected(settings, stack)
        with console.step("Create topics, apply the Feast repository"):
            definitions = deploy(running)
        with console.step("Start intake, the live Flink job, ingest, the archive and the scorers"):
            start_processes(running, stack, definitions)
        stack.detach()
    console.say()
    console.say(f"Kafka {stack.bootstrap_servers}, Valkey {stack.redis_address}")
    if stack.registry_url is not None:
        console.say(f"Schema registry {stack.registry_url}")
    console.say(f"Feast configuration: {running.feature_store_yaml}")


def down(settings: Settings) -> None:
    """Stop everything on a state directory."""
    stack = _stack(settings)
    stack.stop()
    Console().say(f"stopped; the data stays in {stack.state.root}")


def status(settings: Settings) -> None:
    """Print the processes, how complete the views are and what intake did."""
    console = Console()
    stack = _stack(settings)
    processes = stack.status()
    console.table(
        ("process", "pid", "state", "MiB"),
        [
            (
                process.name,
                process.pid,
                "running" if process.alive else "stopped",
                f"{process.resident_bytes / _MIB:.0f}",
            )
            for process in processes
        ],
    )
    alive = {process.name for process in processes if process.alive}
    if not {"kafka", "valkey"} <= alive:
        msg = f"nothing runs on {stack.state.root}; start it with `samestream up`"
        raise NotRunningError(msg)
    running = connected(settings, stack)
    definitions = load_definitions(settings.definitions)
    _show_views(console, running, definitions)
    _show_intake(console, running, definitions)
    _show_scorers(console, running, definitions)


def _show_views(console: Console, settings: Settings, definitions: Definitions) -> None:
    views = definitions.views
    reader = OnlineReader(connect(settings.online_store), project=PROJECT, views=views)
    complete = reader.complete()
    console.say()
    console.table(
        ("feature view", "size", "slide", "complete at (UTC)", "offline until (UTC)"),
        [
            (
                view.name,
                _duration(view.window.size),
                _duration(view.window.slide),
                _instant(complete[view.name]),
                _instant(complete_until_ms(settings.offline_dir, view)),
            )
            for view in views
        ],
    )


def _show_intake(console: Console, settings: Settings, definitions: Definitions) -> None:
    console.say()
    counts = {
        source.name: intake_counters(settings.kafka, source) for source in definitions.sources
    }
    console.table(
        ("intake", *(outcome.value for outcome in Outcome)),
        [
            (name, *(f"{outcomes[outcome]:,}" for outcome in Outcome))
            for name, outcomes in counts.items()
        ],
    )


def _show_scorers(console: Console, settings: Settings, definitions: Definitions) -> None:
    console.say()
    services = definitions.services
    counts = [scorer_counts(settings.kafka, service) for service in services]
    console.table(
        ("stream scorer", *(service.name for service in services)),
        [(tally.value, *(f"{each[tally]:,}" for each in counts)) for tally in Tally],
    )


def _stack(settings: Settings) -> EmbeddedStack:
    state = StateDirectory(settings.state_dir)
    if not state.ports_path.exists():
        msg = f"{state.root} is not a state directory; start one with `samestream up`"
        raise NotRunningError(msg)
    return EmbeddedStack(state, settings.jar_cache)


def _instant(until_ms: int | None) -> str:
    return "never" if until_ms is None else f"{from_ms(until_ms):%Y-%m-%d %H:%M:%S}"


def _duration(length: timedelta) -> str:
    for unit, word in _UNITS:
        if not length % unit:
            return f"{length // unit} {word}"
    return str(length)
