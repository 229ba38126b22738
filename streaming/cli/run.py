"""`samestream run`: one process, as the supervisor starts it."""

from typing import Annotated

import typer

from streaming.cli.options import settings_of

commands = typer.Typer(no_args_is_help=True, help="Run one process until SIGTERM.")


@commands.callback()
def configure_process() -> None:
    """Run one process until SIGTERM."""
    from streaming.logs import configure_logs

    configure_logs()


@commands.command("intake")
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

    settings = settings_of()
    run(settings, load_definitions(settings.definitions), source, instance)


@commands.command("live")
def run_live() -> None:
    """Run the Flink job of all feature views."""
    from features.definitions import load_definitions
    from streaming.flink.live import run_live_job

    settings = settings_of()
    run_live_job(settings, load_definitions(settings.definitions))


@commands.command("ingest")
def run_ingest() -> None:
    """Run the writer from the feature topics to the online store."""
    from features.definitions import load_definitions
    from streaming.ingest.process import run_ingest as run

    settings = settings_of()
    run(settings, load_definitions(settings.definitions))


@commands.command("archive")
def run_archive() -> None:
    """Run the writer from the feature topics to the offline store."""
    from features.definitions import load_definitions
    from streaming.archive.process import run_archive as run

    settings = settings_of()
    run(settings, load_definitions(settings.definitions))


@commands.command("scorer")
def run_scorer(service: str) -> None:
    """Run the stream scorer of a feature service."""
    from features.definitions import load_definitions
    from streaming.scoring.process import run_scorer as run

    settings = settings_of()
    run(settings, load_definitions(settings.definitions).service(service))


@commands.command("serve")
def run_serve() -> None:
    """Run the endpoint of all feature services."""
    from features.definitions import load_definitions
    from streaming.scoring.serve import run_endpoint

    settings = settings_of()
    run_endpoint(settings, load_definitions(settings.definitions))
