"""One writer of a directory at a time."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def directory_lock(directory: Path, *, wait: bool) -> Iterator[None]:
    """Hold a directory against others that ask for its lock; it ends with the process, however.

    Args:
        directory: exists.
        wait: for its holder; else a held lock is an error.

    Raises:
        BlockingIOError: Another process, or another thread of this one, holds it.
    """
    lock = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(lock)
