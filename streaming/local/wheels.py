"""Optional wheels of the embedded stack, imported only when they are needed."""

import importlib
from types import ModuleType

from features.errors import SamestreamError


class MissingWheelError(SamestreamError, ImportError):
    """A Python package of the embedded stack is not installed."""


def import_wheel(module: str) -> ModuleType:
    """Import a package that only the embedded stack needs.

    Raises:
        MissingWheelError: It is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        message = (
            f"the embedded stack needs the Python package {package!r}: {error}; "
            "install it with: pip install -c docker/constraints.txt -e '.[demo]'"
        )
        raise MissingWheelError(message) from error
