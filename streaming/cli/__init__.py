"""The `samestream` command."""

import logging
import sys
from pathlib import Path

import typer

from features.errors import SamestreamError
from streaming.cli import bench, definitions, endpoint, letters, run, schemas, system

# Every command imports what it needs: starting one process must not load all of them.

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Streaming predictions whose features are the same in training and in serving.",
)
app.add_typer(system.commands)
app.add_typer(definitions.commands)
app.add_typer(endpoint.commands)
app.add_typer(letters.late, name="late")
app.add_typer(letters.dead, name="dead")
app.add_typer(schemas.commands, name="schemas")
app.add_typer(bench.commands, name="bench")
app.add_typer(run.commands, name="run")


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
