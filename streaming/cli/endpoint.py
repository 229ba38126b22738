"""`samestream serve` and `samestream api-key`."""

from pathlib import Path
from typing import Annotated

import typer

from streaming.cli.options import StateOption, embedded

commands = typer.Typer()


@commands.command()
def serve(
    *,
    host: Annotated[
        str | None, typer.Option(help="address to listen on; beyond loopback it needs API keys")
    ] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65_535, help="0 is any free one")] = None,
    state: StateOption = Path(".samestream"),
) -> None:
    """Predict over HTTP for every service of a running system, until Ctrl-C or SIGTERM."""
    from features.definitions import load_definitions
    from streaming.logs import configure_logs
    from streaming.scoring.serve import run_endpoint

    configure_logs()
    given = {
        name: value
        for name, value in (("http_host", host), ("http_port", port))
        if value is not None
    }
    settings = embedded(state).model_copy(update=given)
    run_endpoint(settings, load_definitions(settings.definitions))


@commands.command("api-key")
def api_key(
    file: Annotated[Path, typer.Argument(help="file of hashes, see SAMESTREAM_API_KEYS_FILE")],
    name: Annotated[str, typer.Argument(help="whose key it is, one word")],
) -> None:
    """Make an API key for the endpoint: print it once, and add its hash to a file."""
    from models.endpoint.keys import add_key

    typer.echo(add_key(file, name))
