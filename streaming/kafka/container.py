"""Avro object container files, written from records that are already encoded."""

import io
import json
import os
from typing import Any, BinaryIO

import fastavro

from streaming.kafka.schemas import Schema

_MAGIC = b"Obj\x01"
_SYNC_BYTES = 16
_BLOCK_BYTES = 64 * 1024
_HEADER = fastavro.parse_schema(
    {
        "type": "record",
        "name": "org.apache.avro.file.Header",
        "fields": [
            {"name": "magic", "type": {"type": "fixed", "name": "magic", "size": len(_MAGIC)}},
            {"name": "meta", "type": {"type": "map", "values": "bytes"}},
            {"name": "sync", "type": {"type": "fixed", "name": "sync", "size": _SYNC_BYTES}},
        ],
    }
)


class ContainerWriter:
    """Appends bare Avro encodings of records of one schema to a file.

    Args:
        file: open for writing, empty.
        schema: of the records.
    """

    def __init__(self, file: BinaryIO, schema: Schema) -> None:
        self._file = file
        self._sync = os.urandom(_SYNC_BYTES)
        self._records: list[bytes] = []
        self._bytes = 0
        meta = {"avro.schema": json.dumps(schema).encode(), "avro.codec": b"null"}
        file.write(_encoded(_HEADER, {"magic": _MAGIC, "meta": meta, "sync": self._sync}))

    def append(self, bare: bytes) -> None:
        """Add a record."""
        self._records.append(bare)
        self._bytes += len(bare)
        if self._bytes >= _BLOCK_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write the records that are still held back; call it after the last one."""
        if self._records:
            self._file.write(_encoded("long", len(self._records)))
            self._file.write(_encoded("long", self._bytes))
            self._file.writelines((*self._records, self._sync))
            self._records.clear()
            self._bytes = 0


def _encoded(schema: Any, value: Any) -> bytes:  # noqa: ANN401 - whatever the schema describes
    out = io.BytesIO()
    fastavro.schemaless_writer(out, schema, value)
    return out.getvalue()
