"""What several commands share: their options, and the settings that follow from them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from streaming.settings import Settings

StateOption = Annotated[
    Path, typer.Option("--state", help="state directory: data, logs, ports, registry")
]
DefinitionsOption = Annotated[
    str | None, typer.Option(help="module that offers DEFINITIONS; else that of the settings")
]
JsonOption = Annotated[Path | None, typer.Option("--json", help="also write the result here")]


def settings_of(state: Path | None = None) -> "Settings":
    """Return the settings of the environment, on a state directory if one is given."""
    from streaming.settings import Settings

    return Settings() if state is None else Settings(state_dir=state.absolute())


def embedded(state: Path) -> "Settings":
    """Return the settings with the addresses of the stack of a state directory."""
    from streaming.local.system import embedded_settings

    return embedded_settings(settings_of(state))
