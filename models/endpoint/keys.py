"""API keys: only their hashes are kept, and a comparison takes the same time for every key.

A line of the file is `<sha256 of the key> <name>`. Keys are random and long, so that a plain hash
cannot be guessed back.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from pathlib import Path

from features.errors import SamestreamError

_KEY_BYTES = 32
_LINE = re.compile(r"([0-9a-f]{64}) +(\S+)\Z")
_NAME = re.compile(r"\S{1,100}\Z")
_OWNER_ONLY = 0o600


class ApiKeyError(SamestreamError, ValueError):
    """A file of API keys that cannot be used, or a name that cannot stand in one."""


class ApiKeys:
    """The keys that may use an endpoint."""

    def __init__(self, hashes: Iterable[str]) -> None:
        """Take the sha256 of each key, hexadecimal."""
        self._hashes = tuple(hashes)

    def accepts(self, key: str) -> bool:
        """Return whether this is one of the keys; it is compared with all of them."""
        found = False
        hashed = _hash(key)
        for known in self._hashes:
            found |= hmac.compare_digest(hashed, known)
        return found


def read_keys(path: Path) -> ApiKeys:
    """Read the keys of a file.

    Raises:
        ApiKeyError: the file cannot be read, has another line, or no key.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        msg = f"API keys {path}: cannot be read ({error}); make one with `samestream api-key`"
        raise ApiKeyError(msg) from error
    hashes = []
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("#"):
            continue
        matched = _LINE.match(line)
        if matched is None:
            # The line itself may be a key that somebody put there in plain text.
            msg = (
                f"API keys {path}, line {number}: got something else; allowed is the sha256 of a "
                "key in 64 hexadecimal digits, a space and a name"
            )
            raise ApiKeyError(msg)
        hashes.append(matched[1])
    if not hashes:
        msg = f"API keys {path}: got no key; make one with `samestream api-key`"
        raise ApiKeyError(msg)
    return ApiKeys(hashes)


def add_key(path: Path, name: str) -> str:
    """Add a new key to a file, which is created if it is missing, and return the key.

    Raises:
        ApiKeyError: the name is not one word, or the file cannot be written.
    """
    if not _NAME.match(name):
        msg = f"API key: got the name {name!r}; allowed is one word of at most 100 characters"
        raise ApiKeyError(msg)
    key = secrets.token_urlsafe(_KEY_BYTES)
    try:
        path.touch(mode=_OWNER_ONLY, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(f"{_hash(key)} {name}\n")
    except OSError as error:
        msg = f"API keys {path}: cannot be written ({error})"
        raise ApiKeyError(msg) from error
    return key


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
