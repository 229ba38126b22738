"""What `feast apply` in this directory registers; the environment says which definitions."""

import os
from pathlib import Path

from feature_repo.feast_objects import feast_objects
from features.errors import DefinitionError


def _variable(name: str, meaning: str) -> str:
    value = os.environ.get(name)
    if not value:
        msg = f"environment variable {name}: got nothing; allowed is {meaning}"
        raise DefinitionError(msg)
    return value


# Feast takes every Feast object among the names of this module.
globals().update(
    {
        f"{type(item).__name__}_{item.name}": item
        for item in feast_objects(
            _variable("SAMESTREAM_DEFINITIONS", "the module that offers DEFINITIONS"),
            Path(_variable("SAMESTREAM_OFFLINE_DIR", "the root of the offline store")),
        )
    }
)
