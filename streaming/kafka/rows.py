"""Fast decoding of records that our own jobs wrote."""

import io
from collections.abc import Sequence
from typing import Any

import fastavro

from streaming.kafka.decimals import DecimalFields
from streaming.kafka.framing import UndecodableError
from streaming.kafka.schemas import Schema


class RowDecoder:
    """Decodes bare Avro of one schema; it trusts the writer for everything but the length."""

    def __init__(self, schema: Schema) -> None:
        self._name = schema["name"]
        self._decimals = DecimalFields(schema)
        self._schema = fastavro.parse_schema(self._decimals.plain_schema)

    def decode(self, values: Sequence[bytes]) -> list[dict[str, Any]]:
        """Decode records, in order.

        Raises:
            UndecodableError: a record takes more or fewer bytes than its schema says.
        """
        read, schema = fastavro.schemaless_reader, self._schema
        restore = self._decimals.restore
        stream = io.BytesIO(b"".join(values))
        rows: list[dict[str, Any]] = []
        end = 0
        try:
            for value in values:
                row: Any = read(stream, schema, None)
                rows.append(restore(row))
                end += len(value)
                if stream.tell() != end:
                    break
            else:
                return rows
        except (EOFError, IndexError, ValueError) as error:
            msg = f"record {len(rows)} of {len(values)} is not one of {self._name}: {error}"
            raise UndecodableError(msg) from error
        msg = f"record {len(rows) - 1} of {len(values)} has not the length of {self._name}"
        raise UndecodableError(msg)
