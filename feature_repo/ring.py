"""Rings: the rows of one entity of one view, packed into one value.

A ring is the newest window end, then rows in order of their window ends:

    ring  := newest window end (int64) row*
    row   := length in bytes (uint32) window end (int64) number* text*
    number:= float64, NaN for null; the nearest one to an integer or a decimal
    text  := length in bytes (uint32, NO_TEXT for null) UTF-8

All little endian. A new ring begins with the origin, a row without values at ORIGIN_MS. As long as
it is there, nothing was evicted and an instant before the first real row is known to have no row.
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

# Exact as a double, in which Lua keeps it.
ORIGIN_MS = -(2**53)
HEADER = struct.Struct("<q")
NO_TEXT = 2**32 - 1

_LENGTH = struct.Struct("<I")

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class AsOfRows:
    """The rows that requests may see, one for each request.

    Attributes:
        columns: values of each feature: float64 with NaN for null, or text with None for null.
        window_end_ms: window end of the row, None where the entity has no row yet.
        ahead: whether the ring no longer reaches back to the request; its values are null.
    """

    columns: dict[str, npt.NDArray[Any]]
    window_end_ms: list[int | None]
    ahead: npt.NDArray[np.bool_]


class RingCodec:
    """Packs rows and finds rows as of an instant, for the features of one view."""

    def __init__(self, features: Sequence[Feature], slide_ms: int) -> None:
        """Take the features and the slide, whose multiples all window ends are."""
        self._slide_ms = slide_ms
        self._numbers = [item.name for item in features if not isinstance(item.type, String)]
        self._texts = [item.name for item in features if isinstance(item.type, String)]
        self._head = struct.Struct(f"<q{len(self._numbers)}d")
        self._row = np.dtype(
            [
                ("length", "<u4"),
                ("window_end_ms", "<i8"),
                ("numbers", "<f8", (len(self._numbers),)),
            ]
        )
        nulls = dict.fromkeys((*self._numbers, *self._texts))
        self.origin = self.pack({"window_end_ms": ORIGIN_MS, **nulls})

    def pack(self, row: Mapping[str, Any]) -> bytes:
        """Pack `window_end_ms` and the features of a row, by name."""
        numbers = [math.nan if (value := row[name]) is None else value for name in self._numbers]
        body = self._head.pack(row["window_end_ms"], *numbers)
        for name in self._texts:
            body += _pack_text(row[name])
        return _LENGTH.pack(_LENGTH.size + len(body)) + body

    def look_up(
        self, rings: Sequence[bytes | None], which: Integers, as_of_ms: Integers
    ) -> AsOfRows:
        """Find the newest row at or before each instant.

        Args:
            rings: one for each entity, None for an entity that was never seen.
            which: index of the entity of each request, -1 for a request with a null key.
            as_of_ms: newest window end that each request may see.
        """
        packed = [ring[HEADER.size :] if ring else b"" for ring in rings]
        ring_of, rows, texts = self._unpack_text(packed) if self._texts else self._unpack(packed)
        found = self._positions(ring_of, rows["window_end_ms"], which, as_of_ms)
        seen = np.array([bool(part) for part in packed] + [False])
        rows = np.append(rows, np.zeros(1, self._row))
        rows["numbers"][-1] = np.nan
        window_ends = rows["window_end_ms"][found].tolist()
        columns: dict[str, npt.NDArray[Any]] = {
            name: rows["numbers"][found, column] for column, name in enumerate(self._numbers)
        }
        for column, name in enumerate(self._texts):
            values = np.array([*(row[column] for row in texts), None], dtype=object)
            columns[name] = values[found]
        return AsOfRows(
            columns=columns,
            window_end_ms=[
                None if position == -1 or end == ORIGIN_MS else end
                for position, end in zip(found.tolist(), window_ends, strict=True)
            ],
            ahead=seen[which] & (found == -1),
        )

    def _positions(
        self, ring_of: Integers, window_end_ms: Integers, which: Integers, as_of_ms: Integers
    ) -> Integers:
        """Index of the row of each request, -1 without one; rows are ordered by (ring, end)."""
        real = window_end_ms[window_end_ms != ORIGIN_MS]
        if not real.size:
            low, slots = 0, 2
        else:
            low = int(real.min())
            slots = (int(real.max()) - low) // self._slide_ms + 2
        # Slot 0 is the origin, so one sorted array of numbers serves all rings at once.
        slot = np.where(window_end_ms == ORIGIN_MS, 0, (window_end_ms - low) // self._slide_ms + 1)
        wanted = np.clip((as_of_ms - low) // self._slide_ms + 1, 0, slots - 1)
        found = np.searchsorted(ring_of * slots + slot, which * slots + wanted, side="right") - 1
        inside = found >= 0
        inside[inside] = ring_of[found[inside]] == which[inside]
        return np.where(inside, found, -1)

    def _unpack(
        self, packed: Sequence[bytes]
    ) -> tuple[Integers, npt.NDArray[Any], list[list[str | None]]]:
        sizes = np.array([len(part) for part in packed], dtype=np.int64) // self._row.itemsize
        rows = np.frombuffer(b"".join(packed), dtype=self._row)
        return np.repeat(np.arange(len(packed)), sizes), rows, []

    def _unpack_text(
        self, packed: Sequence[bytes]
    ) -> tuple[Integers, npt.NDArray[Any], list[list[str | None]]]:
        heads, texts, ring_of = [], [], []
        for ring, part in enumerate(packed):
            start = 0
            while start < len(part):
                (length,) = _LENGTH.unpack_from(part, start)
                heads.append(part[start : start + self._row.itemsize])
                texts.append(_unpack_texts(part[start + self._row.itemsize : start + length]))
                ring_of.append(ring)
                start += length
        rows = np.frombuffer(b"".join(heads), dtype=self._row)
        return np.array(ring_of, dtype=np.int64), rows, texts


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
