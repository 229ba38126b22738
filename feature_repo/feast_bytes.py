"""The bytes that Feast writes into its online store, made without its message objects."""

import struct
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from feast import ValueType
from feast.protos.feast.types.Value_pb2 import Value

from feature_repo.feast_types import STORED_TYPES
from features.fields import FieldType, String

_LENGTH = struct.Struct("<I")
_DOUBLE = struct.Struct("<d")
_INT64 = struct.Struct("<q")
_KEY_HEAD = struct.Struct("<II")
_VARINT, _FIXED64, _BYTES = 0, 1, 2
_UINT64 = 2**64
# Most rows of a step have the same time, and counts are mostly small.
_CACHED = 65_536
_ONE_BYTE = 0x80


def value_encoder(field_type: type[FieldType]) -> Callable[[Any], bytes]:
    """Return what encodes values of a type as Feast's `Value` message; null is an empty one."""
    stored = STORED_TYPES[field_type]
    number: int = Value.DESCRIPTOR.fields_by_name[stored.proto].number
    match stored.proto:
        case "double_val":
            tag = varint(number << 3 | _FIXED64)
            return lambda value: b"" if value is None else tag + _DOUBLE.pack(value)
        case "int64_val" | "bool_val":
            tag = varint(number << 3 | _VARINT)
            return lambda value: b"" if value is None else tag + varint(value)
    tag = varint(number << 3 | _BYTES)
    held = stored.held or str

    def encode_text(value: object) -> bytes:
        if value is None:
            return b""
        encoded = held(value).encode()
        return tag + varint(len(encoded)) + encoded

    return encode_text


class EntityKeyEncoder:
    """Encodes the join keys of an entity as version 3 of Feast's entity keys."""

    def __init__(self, names: Sequence[str], types: Sequence[type[FieldType]]) -> None:
        """Take the names and types of the join keys, in the order in which values will come."""
        order = sorted(range(len(names)), key=lambda position: names[position])
        encoded = [names[position].encode() for position in order]
        self._prefix = _LENGTH.pack(len(names)) + b"".join(
            _KEY_HEAD.pack(ValueType.STRING.value, len(name)) + name for name in encoded
        )
        self._values = [
            (position, _encode_text_key if types[position] is String else _encode_integer_key)
            for position in order
        ]

    def encode(self, keys: Sequence[Any]) -> bytes:
        """Return the key of an entity, none of whose join keys is null."""
        return self._prefix + b"".join([encode(keys[at]) for at, encode in self._values])


@lru_cache(_CACHED)
def encode_timestamp(epoch_ms: int) -> bytes:
    """Encode a protobuf `Timestamp`."""
    seconds, rest_ms = divmod(epoch_ms, 1_000)
    encoded = b"\x08" + varint(seconds) if seconds else b""
    return encoded + (b"\x10" + varint(rest_ms * 1_000_000) if rest_ms else b"")


@lru_cache(_CACHED)
def varint(number: int) -> bytes:
    """Encode an integer of 64 bits as protobuf does."""
    number %= _UINT64
    encoded = bytearray()
    while number >= _ONE_BYTE:
        encoded.append(number & 0x7F | _ONE_BYTE)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def _encode_text_key(key: str) -> bytes:
    encoded = key.encode()
    return _KEY_HEAD.pack(ValueType.STRING.value, len(encoded)) + encoded


def _encode_integer_key(key: int) -> bytes:
    return _KEY_HEAD.pack(ValueType.INT64.value, _INT64.size) + _INT64.pack(key)
