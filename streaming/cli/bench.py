"""`samestream bench`."""

from pathlib import Path
from typing import Annotated

import typer

from streaming.cli.options import JsonOption, StateOption, settings_of

commands = typer.Typer(no_args_is_help=True, help="Measure, as ratios within one run.")


@commands.command("intake")
def bench_intake(
    *,
    events: Annotated[int, typer.Option(min=1_000, help="raw records of each round")] = 60_000,
    rounds: Annotated[int, typer.Option(min=1, help="of each loop, by turns")] = 5,
    json_file: JsonOption = None,
    state: StateOption = Path(".samestream-bench"),
) -> None:
    """Measure intake beside a loop that only copies, and its latency at half the load."""
    from streaming.bench.intake import bench_intake as run

    run(settings_of(state), events=events, rounds=rounds, json_file=json_file)


@commands.command("scoring")
def bench_scoring(
    *,
    events: Annotated[int, typer.Option(min=1_000, help="requests of each round")] = 30_000,
    rounds: Annotated[int, typer.Option(min=1, help="of each way, by turns")] = 5,
    rate: Annotated[
        float, typer.Option(min=1, help="events/s for the latency of the whole system")
    ] = 100.0,
    json_file: JsonOption = None,
    state: StateOption = Path(".samestream-bench"),
) -> None:
    """Measure the stream scorer and the online store beside plain ways of doing the same."""
    from streaming.bench.scoring import bench_scoring as run

    run(settings_of(state), events=events, rounds=rounds, rate=rate, json_file=json_file)
