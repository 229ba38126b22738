"""Replies as they go out: a status and the bytes of a JSON document."""

from dataclasses import dataclass
from typing import Any

import orjson

RETRY_AFTER_SECONDS = 1


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What a call gets.

    Attributes:
        status: of HTTP.
        body: JSON.
        retry: whether the same call may succeed soon.
    """

    status: int
    body: bytes
    retry: bool = False


def document(content: Any, status: int = 200) -> Reply:  # noqa: ANN401 - JSON
    """Return the reply with a JSON document; NaN becomes null."""
    return Reply(status=status, body=orjson.dumps(content))


def problem(status: int, reason: str, detail: str, *, retry: bool = False) -> Reply:
    """Return the reply that says what is wrong: one word to count by, and the whole sentence."""
    body = orjson.dumps({"reason": reason, "detail": detail})
    return Reply(status=status, body=body, retry=retry)


def unavailable(reason: str, detail: str) -> Reply:
    """Return the reply of a system that cannot answer now; another try may succeed."""
    return problem(503, reason, detail, retry=True)
