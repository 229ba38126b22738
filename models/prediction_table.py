"""Predictions as a table: the columns of the requests, and what the model says of each."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from features.service import FeatureService
from features.source import EVENT_TIME_MS
from models.answers import Answers, Fetched
from models.errors import PredictionColumnError
from models.prediction import Integers, Mark
from models.request_chunks import RequestChunk

SCORE = "score"
REFUSED = "refused"
VECTOR = "vector"
FEATURES_METADATA = "features"

_INSTANT = pa.timestamp("ms", tz="UTC")
_PLAIN = (
    "request_time",
    SCORE,
    "decision",
    REFUSED,
    "service",
    "fingerprint",
    "model_name",
    "model_version",
    "model_sha256",
    VECTOR,
)


def mark_column(view: str) -> str:
    """Name of the column with the marks of a view."""
    return f"{view}__mark"


def check_request_columns(service: FeatureService, columns: Sequence[str]) -> None:
    """Refuse requests with a column that a prediction has too.

    Raises:
        PredictionColumnError: There is one.
    """
    added = {*_PLAIN, *(name for view in service.views for name in _view_columns(view.name))}
    if taken := sorted(added & set(columns)):
        msg = (
            f"requests of service {service.name!r}: got the column {taken[0]!r}, which the "
            "predictions get too; give it another name"
        )
        raise PredictionColumnError(msg)


def prediction_table(
    service: FeatureService, chunk: RequestChunk, fetched: Fetched, answers: Answers
) -> pa.Table:
    """Put the answers to requests beside them.

    Args:
        service: that was asked.
        chunk: the requests.
        fetched: their features.
        answers: what became of them.

    Returns:
        The columns of the file; `request_time`; `score`, `decision` and `vector`, null in rows
        that were refused, and in these why in `refused`; service and model; for each view
        `<view>__as_of` (newest window end that the request could see), `<view>__window_end` (of
        the row that was used, null without one) and `<view>__mark`. A vector is in the order of
        the service's features, which its column's metadata names.
    """
    n = len(chunk.requests)
    scored, model = answers.predictions.scored, answers.predictions.model
    is_refused = np.ones(n, dtype=bool)
    is_refused[answers.rows] = False
    scores = np.zeros(n, dtype=np.float32)
    scores[answers.rows] = scored.scores
    decisions = np.zeros(n, dtype=bool)
    decisions[answers.rows] = scored.decisions
    reasons = np.full(n, None, dtype=object)
    for refusal in answers.refused:
        reasons[refusal.row] = refusal.reason
    times = chunk.requests[EVENT_TIME_MS].to_numpy(dtype=np.int64)
    columns: dict[str, Any] = {
        **dict(zip(chunk.given.column_names, chunk.given.columns, strict=True)),
        "request_time": _instants(times),
        SCORE: pa.array(scores, mask=is_refused),
        "decision": pa.array(decisions, mask=is_refused),
        REFUSED: pa.array(reasons, type=pa.string()),
        "service": _repeated(service.name, n),
        "fingerprint": _repeated(model.manifest.service_fingerprint, n),
        "model_name": _repeated(service.name, n),
        "model_version": _repeated(model.version, n),
        "model_sha256": _repeated(model.manifest.booster_sha256, n),
    }
    for receipt in fetched.receipts:
        as_of, window_end, mark = _view_columns(receipt.view)
        columns[as_of] = _instants(receipt.as_of_ms)
        columns[window_end] = _instants(receipt.window_end_ms, mask=~receipt.found)
        columns[mark] = pa.array(_words(receipt.marks), type=pa.string())
    columns[VECTOR] = _vectors(scored.vectors, is_refused)
    fields = [
        chunk.given.schema.field(name)
        if name in chunk.given.column_names
        else pa.field(name, column.type)
        for name, column in columns.items()
    ]
    names = {FEATURES_METADATA: json.dumps(service.features)}
    fields[-1] = fields[-1].with_metadata(names)
    return pa.Table.from_arrays(list(columns.values()), schema=pa.schema(fields))


def _view_columns(view: str) -> tuple[str, str, str]:
    return f"{view}__as_of", f"{view}__window_end", mark_column(view)


def _instants(epoch_ms: Integers, mask: Any = None) -> pa.Array:  # noqa: ANN401
    return pa.array(epoch_ms.astype("datetime64[ms]"), mask=mask).cast(_INSTANT)


def _repeated(text: str, n: int) -> pa.Array:
    return pa.repeat(pa.scalar(text), n)


def _words(marks: Any) -> list[str | None]:  # noqa: ANN401
    words: dict[Mark | None, str | None] = {None: None, **{mark: str(mark) for mark in Mark}}
    return [words[mark] for mark in marks.tolist()]


def _vectors(vectors: Any, is_refused: Any) -> pa.ListArray:  # noqa: ANN401
    sizes = np.where(is_refused, 0, vectors.shape[1])
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
    # A null among the offsets makes the list that begins there null.
    nulls = np.append(is_refused, False)
    return pa.ListArray.from_arrays(pa.array(offsets, mask=nulls), pa.array(vectors.reshape(-1)))
