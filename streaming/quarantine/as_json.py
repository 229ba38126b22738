"""Letters and what is known of them, as JSON."""

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from streaming.kafka.quarantine import Letter
from streaming.quarantine.counting import LetterCount
from streaming.quarantine.missed import MissedPredictions, MissedView
from streaming.quarantine.requeue import RequeueReport

Json = dict[str, Any]


def letter_json(letter: Letter, event: Json | None) -> Json:
    """Return everything of a letter; bytes are hex."""
    original = letter.original
    return {
        "id": str(letter.id),
        "reason": letter.reason,
        "stage": letter.stage,
        "detail": letter.detail,
        "topic": original.topic,
        "partition": original.partition,
        "offset": original.offset,
        "timestamp_ms": original.timestamp,
        "key": _hex(original.key),
        "headers": [[name, _hex(content)] for name, content in original.headers],
        "value": _hex(original.value),
        "event": event and {name: _finite(value) for name, value in event.items()},
    }


def missed_json(views: Sequence[MissedView], predictions: Sequence[MissedPredictions]) -> Json:
    """Return what would have counted a late event."""
    return {
        "views": [
            {
                "view": missed.view.name,
                "keys": missed.keys,
                "features": missed.features,
                "first_end_ms": missed.first_end_ms,
                "last_end_ms": missed.last_end_ms,
                "left_at_ms": missed.left_at_ms,
                "windows": missed.windows,
            }
            for missed in views
        ],
        "predictions": [asdict(missed) for missed in predictions],
    }


def count_json(counted: LetterCount) -> Json:
    """Return the numbers of `count`."""
    return {
        "total": counted.letters.total(),
        "imported": counted.imported,
        "from_raw": counted.from_raw,
        "counted_by_intake": counted.counted_after,
        "agrees": counted.agrees,
        "letters": [
            {"reason": reason, "stage": stage, "partition": partition, "count": count}
            for (reason, stage, partition), count in sorted(counted.letters.items())
        ],
    }


def requeue_json(report: RequeueReport) -> Json:
    """Return what became of each letter."""
    return {
        "requeued": [str(letter_id) for letter_id in report.requeued],
        "requeued_earlier": [str(letter_id) for letter_id in report.earlier],
        "kept": [{"id": str(k.id), "why": k.why, "detail": k.detail} for k in report.kept],
    }


def _finite(value: object) -> object:
    """Return a value as JSON has it; it has no NaN and no infinity."""
    return repr(value) if isinstance(value, float) and not math.isfinite(value) else value


def _hex(content: bytes | None) -> str | None:
    return None if content is None else content.hex()
