"""What must hold before the embedded stack starts, told in one line each."""

import platform
import shutil
from pathlib import Path

from features.errors import SamestreamError

_GIB = 1024**3
NEEDED_BYTES = 2 * _GIB
"""Free disk space that a stack needs to start."""


class UnsupportedPlatformError(SamestreamError, RuntimeError):
    """This Python or operating system cannot run the embedded stack."""


class DiskFullError(SamestreamError, OSError):
    """There is too little free disk space."""


def require_supported_platform() -> None:
    """Check the interpreter and the operating system.

    Raises:
        UnsupportedPlatformError: It is not Python 3.11 on Linux.
    """
    version, system = platform.python_version(), platform.system()
    if not version.startswith("3.11.") or system != "Linux":
        message = (
            f"the embedded stack needs Python 3.11 on Linux; this is Python {version} on {system}"
        )
        raise UnsupportedPlatformError(message)


def require_free_space(directory: Path, *, needed_bytes: int = NEEDED_BYTES) -> None:
    """Check the free space where the directory is or will be.

    Raises:
        DiskFullError: There is less.
    """
    existing = next(path for path in (directory, *directory.parents) if path.exists())
    free_bytes = shutil.disk_usage(existing).free
    if free_bytes < needed_bytes:
        message = (
            f"{directory} has {free_bytes / _GIB:.1f} GiB of free disk space, "
            f"{needed_bytes / _GIB:.1f} GiB are needed; free some or use another disk"
        )
        raise DiskFullError(message)
