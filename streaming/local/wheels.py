"""Optional wheels, imported only when they are needed."""

import importlib
from types import ModuleType

from features.errors import SamestreamError


class MissingWheelError(SamestreamError, ImportError):
    """An optional Python package is not installed."""


def import_wheel(module: str, extra: str = "demo") -> ModuleType:
    """Import a package that not every installation has.

    Args:
        module: its name.
        extra: of samestream, with which it is installed.

    Raises:
        MissingWheelError: It is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        message = (
            f"the Python package {package!r} is needed: {error}; "
            f"install it with: pip install -c docker/constraints.txt -e '.[{extra}]'"
        )
        raise MissingWheelError(message) from error
