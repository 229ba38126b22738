"""Avro binary encoding: bare, and as self-describing single objects."""

import io
from typing import Any

import fastavro
from fastavro.schema import fingerprint, to_parsing_canonical_form

from streaming.kafka.canonical import canonical_check
from streaming.kafka.decimals import DecimalFields
from streaming.kafka.framing import UndecodableError, single_object_header, split_single_object
from streaming.kafka.schemas import Schema


def schema_fingerprint(schema: Schema | str) -> bytes:
    """CRC-64-AVRO of the Parsing Canonical Form, little endian: 8 bytes."""
    return bytes.fromhex(fingerprint(to_parsing_canonical_form(schema), "CRC-64-AVRO"))


class AvroCodec:
    """Encodes and decodes records of one schema."""

    def __init__(self, schema: Schema) -> None:
        self._decimals = DecimalFields(schema)
        self._schema = fastavro.parse_schema(self._decimals.plain_schema)
        self._check = canonical_check(schema)
        self._header = single_object_header(schema_fingerprint(schema))

    def encode(self, record: dict[str, Any]) -> bytes:
        """Return the bare Avro encoding.

        Raises:
            DecimalError: a value that is not a `decimal.Decimal` which fits its field.
        """
        out = io.BytesIO()
        fastavro.schemaless_writer(out, self._schema, self._decimals.to_plain(record))
        return out.getvalue()

    def decode(self, bare: bytes) -> dict[str, Any]:
        """Return the record of a bare Avro encoding.

        Raises:
            UndecodableError: encoding the result again would not give these bytes; so nothing is
                left over, cut off or written in another way than the canonical one.
        """
        try:
            decoded: Any = fastavro.schemaless_reader(io.BytesIO(bare), self._schema, None)
            record = self._decimals.restore(decoded)
            is_canonical = self._check(bare) if self._check else self.encode(record) == bare
        except Exception as error:
            # Arbitrary bytes: fastavro does not promise which errors they can cause.
            msg = f"not a record of the schema: {type(error).__name__} {error}"
            raise UndecodableError(msg) from error
        if not is_canonical:
            msg = (
                f"not the canonical encoding of a record of the schema: got {len(bare)} bytes, "
                f"the record that they begin with takes {len(self.encode(record))}"
            )
            raise UndecodableError(msg)
        return record

    def encode_single_object(self, record: dict[str, Any]) -> bytes:
        """Return the Avro single-object encoding: `C3 01`, schema fingerprint, bare encoding."""
        return self._header + self.encode(record)

    def bare(self, single_object: bytes) -> bytes:
        """Return the bare encoding within a single-object encoding of this schema.

        Raises:
            UndecodableError: another marker or the fingerprint of another schema.
        """
        header, bare = split_single_object(single_object)
        if header != self._header:
            msg = f"got the header {header.hex()}; allowed is {self._header.hex()}"
            raise UndecodableError(msg)
        return bare
