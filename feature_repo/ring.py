"""Rings: the rows of one entity of one view, packed into one value.

A ring is the newest window end, then rows in order of their window ends:

    ring  := newest window end (int64) row*
    row   := length in bytes (uint32) window end (int64) number* text*
    number:= float64, NaN for null; the nearest one to an integer or a decimal
    text  := length in bytes (uint32, NO_TEXT for null) UTF-8

All little endian. A new ring begins with the origin, a row without values at ORIGIN_MS. As long as
it is there, nothing was evicted and an instant before the first real row is known to have no row.
The store looks up one row for each request; where it finds none it answers with the origin, and
where the ring no longer reaches back with a row without values at AHEAD_MS.
"""

import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from features.aggregation import Feature
from features.fields import String

# Exact as doubles, in which Lua keeps them.
ORIGIN_MS = -(2**53)
AHEAD_MS = ORIGIN_MS + 1
HEADER = struct.Struct("<q")
NO_TEXT = 2**32 - 1

_LENGTH = struct.Struct("<I")

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class AsOfRows:
    """The rows that requests may see, one for each request; arrays of shape (n,).

    Attributes:
        columns: values of each feature: float64 with NaN for null, or text with None for null.
        window_end_ms: window end of the row, of no meaning where there is none.
        found: whether there is a row; an entity may have none yet.
        ahead: whether the ring no longer reaches back to the request; its values are null.
    """

    columns: dict[str, npt.NDArray[Any]]
    window_end_ms: Integers
    found: npt.NDArray[np.bool_]
    ahead: npt.NDArray[np.bool_]


class RingCodec:
    """Packs rows, and unpacks those that the store found, for the features of one view."""

    def __init__(self, features: Sequence[Feature]) -> None:
        """Take the features."""
        self._numbers = [item.name for item in features if not isinstance(item.type, String)]
        self._texts = [item.name for item in features if isinstance(item.type, String)]
        self._row = np.dtype(
            [
                ("length", "<u4"),
                ("window_end_ms", "<i8"),
                ("numbers", "<f8", (len(self._numbers),)),
            ]
        )
        self._fixed = struct.Struct(f"<Iq{len(self._numbers)}d")
        nulls = dict.fromkeys((*self._numbers, *self._texts))
        self.origin = self.pack({"window_end_ms": ORIGIN_MS, **nulls})
        self.ahead = self.pack({"window_end_ms": AHEAD_MS, **nulls})

    @property
    def row_bytes(self) -> int:
        """Length of each row; 0 if it differs, because of text."""
        return 0 if self._texts else self._fixed.size

    def pack(self, row: Mapping[str, Any]) -> bytes:
        """Pack `window_end_ms` and the features of a row, by name."""
        numbers = [math.nan if (value := row[name]) is None else value for name in self._numbers]
        if not self._texts:
            return self._fixed.pack(self._fixed.size, row["window_end_ms"], *numbers)
        texts = b"".join([_pack_text(row[name]) for name in self._texts])
        length = self._fixed.size + len(texts)
        return self._fixed.pack(length, row["window_end_ms"], *numbers) + texts

    def unpack(self, found: bytes, which: Integers) -> AsOfRows:
        """Return the rows of requests.

        Args:
            found: rows that the store found, one after the other, origins and aheads included.
            which: position of the row of each request, -1 for a request with a null key.
        """
        packed = found + self.origin
        rows, texts = self._unpack_text(packed) if self._texts else self._unpack(packed)
        taken = rows[which]
        window_end_ms = taken["window_end_ms"]
        columns: dict[str, npt.NDArray[Any]] = {
            name: taken["numbers"][:, column] for column, name in enumerate(self._numbers)
        }
        for column, name in enumerate(self._texts):
            columns[name] = texts[which, column]
        return AsOfRows(
            columns=columns,
            window_end_ms=window_end_ms,
            found=window_end_ms > AHEAD_MS,
            ahead=window_end_ms == AHEAD_MS,
        )

    def _unpack(self, packed: bytes) -> tuple[npt.NDArray[Any], npt.NDArray[np.object_]]:
        rows = np.frombuffer(packed, dtype=self._row)
        return rows, np.empty((len(rows), 0), dtype=object)

    def _unpack_text(self, packed: bytes) -> tuple[npt.NDArray[Any], npt.NDArray[np.object_]]:
        heads, texts = [], []
        start = 0
        while start < len(packed):
            (length,) = _LENGTH.unpack_from(packed, start)
            heads.append(packed[start : start + self._row.itemsize])
            texts.append(_unpack_texts(packed[start + self._row.itemsize : start + length]))
            start += length
        return np.frombuffer(b"".join(heads), dtype=self._row), np.array(texts, dtype=object)


def _pack_text(text: str | None) -> bytes:
    if text is None:
        return _LENGTH.pack(NO_TEXT)
    encoded = text.encode()
    return _LENGTH.pack(len(encoded)) + encoded


def _unpack_texts(part: bytes) -> list[str | None]:
    texts: list[str | None] = []
    start = 0
    while start < len(part):
        (length,) = _LENGTH.unpack_from(part, start)
        start += _LENGTH.size
        if length == NO_TEXT:
            texts.append(None)
        else:
            texts.append(part[start : start + length].decode())
            start += length
    return texts
