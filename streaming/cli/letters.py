"""`samestream late` and `samestream dead`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streaming.cli.options import JsonOption, StateOption, embedded

if TYPE_CHECKING:
    from streaming.quarantine.letters import Kind

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
            embedded(state),
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

        if not run(embedded(state), kind, source, json_file):
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

        run(embedded(state), kind, source, letter, json_file)

    return letters


late = _letters_app(
    "late",
    "Late events, and the windows and predictions that each would have changed. They can never be "
    "requeued: the newest time of a partition does not fall.",
)
dead = _letters_app("dead", "Dead letters: what intake refused, and why.")


@dead.command()
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
        embedded(state),
        source,
        letters or Selection(reason=reason),
        dry_run=dry_run,
        json_file=json_file,
    )
    if not done:
        raise typer.Exit(1)
