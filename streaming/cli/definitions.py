"""`samestream explain`, `diff`, `backfill`, `training-set` and `predict`."""

from pathlib import Path
from typing import Annotated

import typer

from features.errors import SamestreamError
from streaming.cli.options import DefinitionsOption, StateOption, embedded, settings_of

commands = typer.Typer()


@commands.command("training-set")
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
        settings_of(state), requests=requests, service=service, out=out, feature_store=feature_store
    )
    typer.echo(f"{out}: {rows:,} requests, {columns} columns")


@commands.command()
def predict(
    *,
    requests: Annotated[Path, typer.Option(help="Parquet or CSV file of requests")],
    service: Annotated[str, typer.Option(help="feature service")],
    out: Annotated[Path, typer.Option(help="Parquet or CSV file to write, by its suffix")],
    as_of: Annotated[
        str | None, typer.Option(metavar="INSTANT", help="time of all requests, in ISO 8601")
    ] = None,
    top: Annotated[
        str | None,
        typer.Option(metavar="SHARE", help="only the highest scores, as 5% or 100, highest first"),
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(
            help="directory of a model's version; else the promoted one is asked of Kafka"
        ),
    ] = None,
    store: Annotated[
        bool, typer.Option("--store", help="also keep the predictions in the online store")
    ] = False,
    state: StateOption = Path(".samestream"),
    feature_store: Annotated[
        Path | None, typer.Option(help="feature_store.yaml; without it that of --state")
    ] = None,
) -> None:
    """Score a file of requests with the features of the offline store, as of each of them.

    Asked again after an interruption, it goes on where it was.
    """
    from streaming.batch.highest import parse_top
    from streaming.batch.predict import BatchPrediction, parse_instant
    from streaming.batch.predict import predict as run
    from streaming.console import Console

    asked = BatchPrediction(
        service=service,
        requests=requests,
        out=out,
        as_of_ms=None if as_of is None else parse_instant(as_of),
        top=None if top is None else parse_top(top),
        model=model,
        feature_store=feature_store,
        keep=store,
    )
    # Without a server to ask, nothing of the state directory has to be there.
    settings = embedded(state) if model is None or store else settings_of(state)
    summary = run(settings, asked, Console())
    for line in summary.lines():
        typer.echo(f"{out}: {line}")


@commands.command()
def explain(
    view: Annotated[str, typer.Argument(help="feature view")],
    *,
    definitions: DefinitionsOption = None,
) -> None:
    """Show the definition of a feature view, a window of it, its SQL and its Feast objects."""
    from features.definitions import load_definitions
    from streaming.describe.explain import explain as sections

    module = definitions or settings_of().definitions
    for section in sections(module, load_definitions(module).view(view)):
        typer.echo(section)


@commands.command()
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


@commands.command()
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

    settings = settings_of(state) if history or state is None else embedded(state)
    if definitions is not None:
        settings = settings.model_copy(update={"definitions": definitions})
    run(settings, history or [], until, out)
