"""`samestream schemas`."""

import typer

from streaming.cli.options import DefinitionsOption, settings_of

commands = typer.Typer(no_args_is_help=True, help="The Avro schemas that producers write by.")


@commands.command("check")
def schemas_check(*, definitions: DefinitionsOption = None) -> None:
    """Refuse schema files that are not those of the definitions, or that they could not read."""
    from features.definitions import load_definitions
    from streaming.intake.schema_versions import check_versions, schema_directory

    module = definitions or settings_of().definitions
    for line in check_versions(schema_directory(module), load_definitions(module)):
        typer.echo(line)


@commands.command("write")
def schemas_write(*, definitions: DefinitionsOption = None) -> None:
    """Write a new version for each source whose schema has changed, unless that breaks readers."""
    from features.definitions import load_definitions
    from streaming.intake.schema_versions import schema_directory, write_versions

    module = definitions or settings_of().definitions
    written = write_versions(schema_directory(module), load_definitions(module))
    for path in written:
        typer.echo(f"wrote {path}")
    if not written:
        typer.echo("nothing has changed")
