"""What stands before the Avro encoding in a raw record, to name its schema."""

import struct

from features.errors import SamestreamError

_SINGLE_OBJECT = b"\xc3\x01"
SINGLE_OBJECT_HEADER_BYTES = 10
_FINGERPRINT = struct.Struct("<2s8s")
_CONFLUENT = struct.Struct(">bI")


class UndecodableError(SamestreamError, ValueError):
    """Bytes that are not what the source's encoding asks for.

    Attributes:
        reason: one word to count by.
    """

    reason = "undecodable"


def single_object_header(fingerprint: bytes) -> bytes:
    """Return the header of the Avro single-object encoding: `C3 01` and CRC-64-AVRO (8 bytes)."""
    return _FINGERPRINT.pack(_SINGLE_OBJECT, fingerprint)


def split_single_object(value: bytes) -> tuple[bytes, bytes]:
    """Return the header of a single-object encoding, as it stands there, and the bare encoding.

    Raises:
        UndecodableError: there is no such header.
    """
    if not value.startswith(_SINGLE_OBJECT) or len(value) < SINGLE_OBJECT_HEADER_BYTES:
        msg = (
            f"got the header {value[:SINGLE_OBJECT_HEADER_BYTES].hex() or 'nothing'}; allowed is "
            "C3 01 and the fingerprint of the schema"
        )
        raise UndecodableError(msg)
    return value[:SINGLE_OBJECT_HEADER_BYTES], value[SINGLE_OBJECT_HEADER_BYTES:]


def with_schema_id(schema_id: int, bare: bytes) -> bytes:
    """Return the framing of the clients of a Confluent Schema Registry: 0, id (4 bytes), Avro."""
    return _CONFLUENT.pack(0, schema_id) + bare


def split_schema_id(value: bytes) -> tuple[int, bytes]:
    """Return the id of the schema and the bare encoding within the framing of `with_schema_id`.

    Raises:
        UndecodableError: there is no such framing.
    """
    if len(value) < _CONFLUENT.size or value[0] != 0:
        msg = (
            f"got the header {value[: _CONFLUENT.size].hex() or 'nothing'}; allowed is 00 and the "
            "id of a registered schema in 4 bytes"
        )
        raise UndecodableError(msg)
    _, schema_id = _CONFLUENT.unpack_from(value)
    return schema_id, value[_CONFLUENT.size :]
