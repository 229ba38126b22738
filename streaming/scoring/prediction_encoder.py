"""Predictions as Avro: most of a prediction is the same as in the one before, and copied."""

import struct
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from features.source import EVENT_ID, EVENT_TIME_MS
from models.online import Request
from models.prediction import Mark, Predictions, ViewReceipt
from streaming.kafka.avro import schema_fingerprint
from streaming.kafka.framing import single_object_header
from streaming.kafka.schemas import prediction_schema

_CACHED_RECEIPTS = 65_536
_END, _NULL, _FIRST, _SECOND = b"\x00", b"\x00", b"\x02", b"\x04"
_FLOAT = struct.Struct("<f")
_ONE_BYTE = 0x80


class Origin(NamedTuple):
    """Where a request is in the validated log; the default says that it is not there."""

    topic: str = ""
    partition: int = -1
    offset: int = -1


class PredictionEncoder:
    """Encodes predictions as single objects, byte for byte as `AvroCodec` does."""

    def __init__(self) -> None:
        self._header = single_object_header(schema_fingerprint(prediction_schema()))
        self._receipt = lru_cache(_CACHED_RECEIPTS)(_receipt)
        self._text = lru_cache(_text)

    def encode(
        self,
        predictions: Predictions,
        requests: Sequence[Request],
        origins: Sequence[Origin],
        *,
        scored_at_ms: int,
        logged: Sequence[bytes | None] | None = None,
    ) -> list[bytes]:
        """Encode n predictions.

        Args:
            predictions: what to encode.
            requests: the n requests.
            origins: where each of them is in the validated log.
            scored_at_ms: when they were scored.
            logged: canonical encodings of requests that are in no log; None means all are in it.
        """
        model, scored = predictions.model, predictions.scored
        service = self._text(predictions.service.name)
        names = [(name, _text(name)) for name in predictions.key_names]
        before_score = self._text(model.manifest.service_fingerprint) + _long(len(names))
        after_decision = b"".join(
            [
                service,
                self._text(model.version),
                self._text(model.manifest.booster_sha256),
                _long(scored.vectors.shape[1]),
            ]
        )
        width = 8 * scored.vectors.shape[1]
        vectors = scored.vectors.astype("<f8", copy=False).tobytes()
        columns = [_columns(receipt) for receipt in predictions.receipts]
        views = _long(len(columns))
        scored_at = _long(scored_at_ms)
        encoded = []
        for row, (request, origin, score, decision) in enumerate(
            zip(requests, origins, scored.scores.tolist(), scored.decisions.tolist(), strict=True)
        ):
            encoded.append(
                b"".join(
                    [
                        self._header,
                        _text(request[EVENT_ID]),
                        _long(request[EVENT_TIME_MS]),
                        service,
                        before_score,
                        *[name + _key(request[key]) for key, name in names],
                        _END if names else b"",
                        _FLOAT.pack(score),
                        b"\x01" if decision else b"\x00",
                        after_decision,
                        vectors[row * width : (row + 1) * width],
                        _END,
                        views,
                        *[
                            self._receipt(view, fingerprint, as_of[row], end[row], mark[row])
                            for view, fingerprint, as_of, end, mark in columns
                        ],
                        _END if columns else b"",
                        self._text(origin.topic),
                        _long(origin.partition),
                        _long(origin.offset),
                        scored_at,
                        _NULL if logged is None else _optional_bytes(logged[row]),
                    ]
                )
            )
        return encoded


_Columns = tuple[str, str, list[int], list[int | None], list[Mark | None]]


def _columns(receipt: ViewReceipt) -> _Columns:
    ends = [
        end if found else None
        for end, found in zip(receipt.window_end_ms.tolist(), receipt.found.tolist(), strict=True)
    ]
    as_of, marks = receipt.as_of_ms.tolist(), receipt.marks.tolist()
    return receipt.view, receipt.fingerprint, as_of, ends, marks


def _receipt(
    view: str, fingerprint: str, as_of_ms: int, window_end_ms: int | None, mark: Mark | None
) -> bytes:
    return b"".join(
        [
            _text(view),
            _text(fingerprint),
            _long(as_of_ms),
            _NULL if window_end_ms is None else _FIRST + _long(window_end_ms),
            _NULL if mark is None else _FIRST + _text(mark),
        ]
    )


def _key(value: Any) -> bytes:  # noqa: ANN401
    if value is None:
        return _NULL
    return _FIRST + _text(value) if isinstance(value, str) else _SECOND + _long(value)


def _optional_bytes(value: bytes | None) -> bytes:
    return _NULL if value is None else _FIRST + _long(len(value)) + value


def _text(text: str) -> bytes:
    encoded = text.encode()
    return _long(len(encoded)) + encoded


def _long(number: int) -> bytes:
    """Encode as Avro does: zigzag, then seven bits to a byte, the lowest first."""
    number = number << 1 if number >= 0 else ~(number << 1)
    if number < _ONE_BYTE:
        return bytes((number,))
    encoded = bytearray()
    while number >= _ONE_BYTE:
        encoded.append(number & 0x7F | _ONE_BYTE)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)
