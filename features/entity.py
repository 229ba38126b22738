"""An entity: what a feature is about."""

from dataclasses import dataclass

from features.errors import DefinitionError
from features.fields import check_name


@dataclass(frozen=True, kw_only=True)
class Entity:
    """What a feature is about, named by one or more join keys (columns of the event sources)."""

    name: str
    join_keys: tuple[str, ...]

    def __post_init__(self) -> None:
        check_name("entity", self.name)
        for key in self.join_keys:
            check_name(f"entity {self.name!r}, join key", key)
        if not self.join_keys or len(set(self.join_keys)) != len(self.join_keys):
            msg = (
                f"entity {self.name!r}: got join keys {self.join_keys!r}; "
                "allowed is at least one, each once"
            )
            raise DefinitionError(msg)
