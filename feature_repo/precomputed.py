"""Answers in the online store that were computed before anybody asked.

A key is made of the service, its fingerprint and the inputs of a request without its time; a value
is the instant for which it was computed (int64, ms, little endian) and whatever the caller encoded.
"""

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from redis import Redis
from redis.exceptions import NoScriptError

from feature_repo.online_layout import ProjectLayout
from feature_repo.reader import answering
from feature_repo.scripts import load_script
from features.fields import Bool, Decimal, FieldType, Float64, Int64, String, TimestampMs
from features.fingerprint import service_fingerprint
from features.service import FeatureService

# A script stops all others meanwhile.
_AT_ONCE = 500
_NULL, _GIVEN = b"\x00", b"\x01"
_INSTANT = struct.Struct("<q")
_INT64 = struct.Struct("<q")
_FLOAT64 = struct.Struct("<d")
_LENGTH = struct.Struct("<I")


@dataclass(frozen=True, kw_only=True)
class Precomputed:
    """An answer that was computed before it was asked for.

    Attributes:
        as_of_ms: time of the request that it answers.
        content: the answer, as it was encoded.
    """

    as_of_ms: int
    content: bytes


class PrecomputedStore:
    """Keeps the newest answer for each combination of inputs of a service.

    Every method may raise `StoreUnavailableError`.
    """

    def __init__(self, redis: Redis, *, project: str, service: FeatureService) -> None:
        """Take a connection without decoding of responses, the Feast project and the service."""
        self.service = service
        self._redis = redis
        id_ = f"{service.name}-{service_fingerprint(service)}"
        self._prefix = ProjectLayout(project).prefix + f"precomputed:{id_}:".encode()
        types = {field.name: field.type for field in service.request.fields}
        self._inputs = [(name, _encoder(types[name])) for name in service.request_inputs]
        self._script = ""

    def put(self, requests: Sequence[Mapping[str, Any]], answers: Sequence[Precomputed]) -> int:
        """Keep answers unless there are newer ones; return how many were kept.

        Args:
            requests: what is answered; only the inputs of the service are read.
            answers: one for each request.
        """
        pairs = [
            (self._key(request), _INSTANT.pack(answer.as_of_ms) + answer.content)
            for request, answer in zip(requests, answers, strict=True)
        ]
        with answering():
            try:
                return self._put(pairs)
            except NoScriptError:
                # The first time, and whenever the server was started anew.
                self._script = load_script(self._redis, "put_newer")
                return self._put(pairs)

    def get(self, requests: Sequence[Mapping[str, Any]]) -> list[Precomputed | None]:
        """Return the newest answer to each request, in one round trip."""
        if not requests:
            return []
        with answering():
            values = cast(
                "list[bytes | None]", self._redis.mget([self._key(request) for request in requests])
            )
        return [
            None
            if value is None
            else Precomputed(
                as_of_ms=_INSTANT.unpack_from(value)[0], content=value[_INSTANT.size :]
            )
            for value in values
        ]

    def _put(self, pairs: Sequence[tuple[bytes, bytes]]) -> int:
        pipeline = self._redis.pipeline(transaction=False)
        for start in range(0, len(pairs), _AT_ONCE):
            some = pairs[start : start + _AT_ONCE]
            arguments = [*(key for key, _ in some), *(value for _, value in some)]
            pipeline.evalsha(self._script, len(some), *cast("list[str]", arguments))
        return sum(pipeline.execute())

    def _key(self, request: Mapping[str, Any]) -> bytes:
        parts = [self._prefix]
        for name, encode in self._inputs:
            value = request[name]
            parts.append(_NULL if value is None else _GIVEN + encode(value))
        return b"".join(parts)


def _encoder(field_type: FieldType) -> Callable[[Any], bytes]:
    """Return what encodes the values of an input: equal ones alike, all others otherwise."""
    if isinstance(field_type, Decimal):
        return lambda value: _text(str(field_type.units(value)))
    return _ENCODERS[type(field_type)]


def _text(value: str) -> bytes:
    encoded = value.encode()
    return _LENGTH.pack(len(encoded)) + encoded


def _float64(value: float) -> bytes:
    # The sum makes 0.0 of -0.0.
    return _FLOAT64.pack(value + 0.0)


_ENCODERS: dict[type[FieldType], Callable[[Any], bytes]] = {
    Int64: _INT64.pack,
    TimestampMs: _INT64.pack,
    Float64: _float64,
    Bool: lambda value: b"\x01" if value else b"\x00",
    String: _text,
}
