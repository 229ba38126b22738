"""`samestream demo`, `up`, `down`, `status`, `verify` and `flights-reference`."""

from pathlib import Path
from typing import Annotated

import typer

from streaming.cli.options import JsonOption, StateOption, embedded, settings_of

commands = typer.Typer()


@commands.command()
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


@commands.command()
def up(
    *,
    registry: Annotated[
        bool, typer.Option("--registry", help="with a schema registry, now and from now on")
    ] = False,
    state: StateOption = Path(".samestream"),
) -> None:
    """Start the embedded stack and every process in the background."""
    from streaming.local.commands import up as start

    start(settings_of(state), with_registry=registry)


@commands.command()
def down(*, state: StateOption = Path(".samestream")) -> None:
    """Stop everything that runs on a state directory; the data stays."""
    from streaming.local.commands import down as stop

    stop(settings_of(state))


@commands.command()
def status(*, state: StateOption = Path(".samestream")) -> None:
    """Show the processes, how complete each view is, and what intake refused."""
    from streaming.local.commands import status as show

    show(settings_of(state))


@commands.command()
def verify(
    service: Annotated[str, typer.Argument(help="feature service")],
    *,
    state: StateOption = Path(".samestream"),
    json_file: JsonOption = None,
) -> None:
    """Recompute every prediction from the log and compare bits; exit 1 unless all is explained."""
    from streaming.audit.command import verify as prove

    if not prove(embedded(state), service, json_file):
        raise typer.Exit(1)


@commands.command("flights-reference")
def flights_reference(
    *,
    json_file: JsonOption = None,
    state: StateOption = Path(".samestream-reference"),
) -> None:
    """Compute the flights year and compare it with known figures; exit 1 unless all agree."""
    from streaming.reference.run import flights_reference as compare_year

    if not compare_year(state, json_file):
        raise typer.Exit(1)
