"""The `samestream` command."""

import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from features.errors import SamestreamError

if TYPE_CHECKING:
    from streaming.quarantine.letters import Kind
    from streaming.settings import Settings

# Every command imports what it needs: starting one process must not load all of them.

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Streaming predictions whose features are the same in training and in serving.",
)
run_app = typer.Typer(no_args_is_help=True, help="Run one process until SIGTERM.")
app.add_typer(run_app, name="run")
schemas_app = typer.Typer(no_args_is_help=True, help="The Avro schemas that producers write by.")
app.add_typer(schemas_app, name="schemas")
bench_app = typer.Typer(no_args_is_help=True, help="Measure, as ratios within one run.")
app.add_typer(bench_app, name="bench")


@run_app.callback()
def configure_process() -> None:
    """Run one process until SIGTERM."""
    from streaming.logs import configure_logs

    configure_logs()


StateOption = Annotated[
    Path, typer.Option("--state", help="state directory: data, logs, ports, registry")
]
DefinitionsOption = Annotated[
    str | None, typer.Option(help="module that offers DEFINITIONS; else that of the settings")
]
JsonOption = Annotated[Path | None, typer.Option("--json", help="also write the result here")]


@app.command()
def demo(
    *,
    year: Annotated[bool, typer.Option(help="import the whole year as history")] = False,
    speed: Annotated[float, typer.Option(min=1, help="replay at this multiple of time")] = 2000.0,
    keep: Annotated[bool, typer.Option(help="leave everything running at the end")] = False,
    state: StateOption = Path(".samestream-demo"),
) -> None:
    """Run the whole system on the flights example and prove its answers."""
    from streaming.demo.run import run_demo

    run_demo(state_dir=state, whole_year=year, speed=speed, keep=keep)


@app.command()
def up(
    *,
    registry: Annotated[
        bool, typer.Option("--registry", help="with a schema registry, now and from now on")
    ] = False,
    state: StateOption = Path(".samestream"),
) -> None:
    """Start the embedded stack and every process in the background."""
    from streaming.local.commands import up as start

    start(_settings(state), with_registry=registry)


@app.command()
def down(*, state: StateOption = Path(".samestream")) -> None:
    """Stop everything that runs on a state directory; the data stays."""
    from streaming.local.commands import down as stop

    stop(_settings(state))


@app.command()
def status(*, state: StateOption = Path(".samestream")) -> None:
    """Show the processes, how complete each view is, and what intake refused."""
    from streaming.local.commands import status as show

    show(_settings(state))


@app.command()
def verify(
    service: Annotated[str, typer.Argument(help="feature service")],
    *,
    state: StateOption = Path(".samestream"),
    json_file: JsonOption = None,
) -> None:
    """Recompute every prediction from the log and compare bits; exit 1 unless all is explained."""
    from streaming.audit.command import verify as prove

    if not prove(_embedded(state), service, json_file):
        raise typer.Exit(1)


@app.command("flights-reference")
def flights_reference(
    *,
    json_file: JsonOption = None,
    state: StateOption = Path(".samestream-reference"),
) -> None:
    """Compute the flights year and compare it with known figures; exit 1 unless all agree."""
    from streaming.reference.run import flights_reference as compare_year

    if not compare_year(state, json_file):
        raise typer.Exit(1)


@app.command("training-set")
def training_set(
    *,
    requests: Annotated[Path, typer.Option(help="Parquet or CSV file of requests")],
    service: Annotated[str, typer.Option(help="feature service")],
    out: Annotated[Path, typer.Option(help="Parquet or CSV file to write, by its suffix")],
    state: StateOption = Path(".samestream"),
    feature_store: Annotated[
        Path | None, typer.Option(help="feature_store.yaml; without it that of --state")
    ] = None,
) -> None:
    """Write requests with their features as of the time of each, as Feast gives them."""
    from streaming.training_set import write_training_set

    rows, columns = write_training_set(
        _settings(state), requests=requests, service=service, out=out, feature_store=feature_store
    )
    typer.echo(f"{out}: {rows:,} requests, {columns} columns")


@app.command()
def explain(
    view: Annotated[str, typer.Argument(help="feature view")],
    *,
    definitions: DefinitionsOption = None,
) -> None:
    """Show the definition of a feature view, a window of it, its SQL and its Feast objects."""
    from features.definitions import load_definitions
    from streaming.describe.explain import explain as sections

    module = definitions or _settings().definitions
    for section in sections(module, load_definitions(module).view(view)):
        typer.echo(section)


@app.command()
def diff(
    old: Annotated[str, typer.Argument(help="module that offers the old DEFINITIONS")],
    new: Annotated[str, typer.Argument(help="module that offers the new DEFINITIONS")],
) -> None:
    """Compare what two definitions modules mean.

    Exit code 0: everything of OLD means the same in NEW, perhaps under another name; what is only
    in NEW does not count. 1: something changes its meaning or is gone. 2: they cannot be compared.
    """
    from features.definitions import load_definitions
    from features.diff import compare
    from streaming.describe.diff_text import diff_text

    try:
        difference = compare(load_definitions(old), load_definitions(new))
    except SamestreamError as error:
        typer.echo(f"samestream: {error}", err=True)
        raise typer.Exit(2) from None
    typer.echo(diff_text(difference))
    if difference.changes_meaning:
        raise typer.Exit(1)


@app.command()
def backfill(
    *,
    out: Annotated[Path, typer.Option(help="root of the offline store to write")],
    definitions: DefinitionsOption = None,
    history: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SOURCE=GLOB",
            help="Parquet or CSV files (glob or directory) of a source, repeatable; without any "
            "the validated log is read",
        ),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(
            metavar="INSTANT",
            help="the files hold every event before; else up to the newest of each source",
        ),
    ] = None,
    state: Annotated[
        Path | None, typer.Option(help="state directory of the system; else SAMESTREAM_* name it")
    ] = None,
) -> None:
    """Write the rows of every view over history as Parquet, in the place of former ones."""
    from streaming.flink.backfill_command import backfill as run

    settings = _settings(state) if history or state is None else _embedded(state)
    if definitions is not None:
        settings = settings.model_copy(update={"definitions": definitions})
    run(settings, history or [], until, out)


SourceArgument = Annotated[str, typer.Argument(help="event source")]
ReasonOption = Annotated[str | None, typer.Option(help="only letters refused for this reason")]


def _letters_app(kind: "Kind", help_: str) -> typer.Typer:
    letters = typer.Typer(no_args_is_help=True, help=help_)

    @letters.command("list")
    def list_letters(
        source: SourceArgument,
        *,
        limit: Annotated[int, typer.Option(min=1, help="how many letters")] = 20,
        oldest: Annotated[
            bool, typer.Option("--oldest", help="the oldest, not the newest")
        ] = False,
        sample: Annotated[
            int | None,
            typer.Option(min=1, help="instead, this many of each reason, from the whole topic"),
        ] = None,
        reason: ReasonOption = None,
        partition: Annotated[int | None, typer.Option(help="only letters of this one")] = None,
        since: Annotated[
            str | None, typer.Option(metavar="INSTANT", help="only what was sent since then")
        ] = None,
        state: StateOption = Path(".samestream"),
        json_file: JsonOption = None,
    ) -> None:
        """List letters, one line each."""
        from streaming.quarantine.command import list_letters as run
        from streaming.quarantine.command import selection

        run(
            _embedded(state),
            kind,
            source,
            selection(reason, partition, since),
            limit=limit,
            from_oldest=oldest,
            sampled=sample,
            json_file=json_file,
        )

    @letters.command()
    def count(
        source: SourceArgument,
        *,
        state: StateOption = Path(".samestream"),
        json_file: JsonOption = None,
    ) -> None:
        """Count letters by reason and partition; exit 1 unless intake counted as many."""
        from streaming.quarantine.command import count as run

        if not run(_embedded(state), kind, source, json_file):
            raise typer.Exit(1)

    @letters.command()
    def show(
        source: SourceArgument,
        letter: Annotated[str, typer.Argument(metavar="ID", help="PARTITION:OFFSET")],
        *,
        state: StateOption = Path(".samestream"),
        json_file: JsonOption = None,
    ) -> None:
        """Show everything of one letter."""
        from streaming.quarantine.command import show as run

        run(_embedded(state), kind, source, letter, json_file)

    app.add_typer(letters, name=kind)
    return letters


_letters_app(
    "late",
    "Late events, and the windows and predictions that each would have changed. They can never be "
    "requeued: the newest time of a partition does not fall.",
)
dead_app = _letters_app("dead", "Dead letters: what intake refused, and why.")


@dead_app.command()
def requeue(
    source: SourceArgument,
    letters: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...", help="PARTITION:OFFSET")
    ] = None,
    *,
    reason: ReasonOption = None,
    every: Annotated[bool, typer.Option("--all", help="every letter")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only say what would happen")] = False,
    state: StateOption = Path(".samestream"),
    json_file: JsonOption = None,
) -> None:
    """Publish dead letters again that intake would accept now, each once; exit 1 if some are kept.

    A letter that is late by now can never be accepted.
    """
    from streaming.quarantine.command import OptionError, requeue_letters
    from streaming.quarantine.selection import Selection

    if bool(letters) + (reason is not None) + every != 1:
        msg = "dead requeue: allowed is one of ID..., --reason and --all"
        raise OptionError(msg)
    done = requeue_letters(
        _embedded(state),
        source,
        letters or Selection(reason=reason),
        dry_run=dry_run,
        json_file=json_file,
    )
    if not done:
        raise typer.Exit(1)


@schemas_app.command("check")
def schemas_check(*, definitions: DefinitionsOption = None) -> None:
    """Refuse schema files that are not those of the definitions, or that they could not read."""
    from features.definitions import load_definitions
    from streaming.intake.schema_versions import check_versions, schema_directory

    module = definitions or _settings().definitions
    for line in check_versions(schema_directory(module), load_definitions(module)):
        typer.echo(line)


@schemas_app.command("write")
def schemas_write(*, definitions: DefinitionsOption = None) -> None:
    """Write a new version for each source whose schema has changed, unless that breaks readers."""
    from features.definitions import load_definitions
    from streaming.intake.schema_versions import schema_directory, write_versions

    module = definitions or _settings().definitions
    written = write_versions(schema_directory(module), load_definitions(module))
    for path in written:
        typer.echo(f"wrote {path}")
    if not written:
        typer.echo("nothing has changed")


@bench_app.command("intake")
def bench_intake(
    *,
    events: Annotated[int, typer.Option(min=1_000, help="raw records of each round")] = 60_000,
    rounds: Annotated[int, typer.Option(min=1, help="of each loop, by turns")] = 5,
    json_file: JsonOption = None,
    state: StateOption = Path(".samestream-bench"),
) -> None:
    """Measure intake beside a loop that only copies, and its latency at half the load."""
    from streaming.bench.intake import bench_intake as run

    run(_settings(state), events=events, rounds=rounds, json_file=json_file)


@run_app.command("intake")
def run_intake(
    source: str,
    *,
    instance: Annotated[
        str,
        typer.Option(help="stable name of this one of several that share the partitions"),
    ] = "0",
) -> None:
    """Run the gate from `<source>.raw` to the validated log."""
    from features.definitions import load_definitions
    from streaming.intake.process import run_intake as run

    settings = _settings()
    run(settings, load_definitions(settings.definitions), source, instance)


@run_app.command("live")
def run_live() -> None:
    """Run the Flink job of all feature views."""
    from features.definitions import load_definitions
    from streaming.flink.live import run_live_job

    settings = _settings()
    run_live_job(settings, load_definitions(settings.definitions))


@run_app.command("ingest")
def run_ingest() -> None:
    """Run the writer from the feature topics to the online store."""
    from features.definitions import load_definitions
    from streaming.ingest.process import run_ingest as run

    settings = _settings()
    run(settings, load_definitions(settings.definitions))


@run_app.command("scorer")
def run_scorer(service: str) -> None:
    """Run the stream scorer of a feature service."""
    from features.definitions import load_definitions
    from streaming.scoring.process import run_scorer as run

    settings = _settings()
    run(settings, load_definitions(settings.definitions).service(service))


def _settings(state: Path | None = None) -> "Settings":
    from streaming.settings import Settings

    return Settings() if state is None else Settings(state_dir=state.absolute())


def _embedded(state: Path) -> "Settings":
    from streaming.local.system import embedded_settings

    return embedded_settings(_settings(state))


def main() -> None:
    """Run the command line; an error of ours is one line and exit code 1."""
    # Libraries warn of what only their authors can mend: that belongs into a log.
    logging.captureWarnings(capture=True)
    # Definitions may be a module of the current directory, as for the processes (`python -m`).
    sys.path.insert(0, str(Path.cwd()))
    try:
        app()
    except SamestreamError as error:
        typer.echo(f"samestream: {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
