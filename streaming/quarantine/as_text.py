"""Letters and what is known of them, as text for people; what producers wrote is escaped."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from features.instant import MILLISECOND, from_ms
from features.source import EVENT_ID, EVENT_TIME_MS
from features.wording import duration_text, window_text
from streaming.kafka.quarantine import Letter
from streaming.quarantine.missed import MissedPredictions, MissedView, newest_then
from streaming.quarantine.triage import STAYS_LATE

_LONGEST_CELL = 160
_INDENT = 13

Event = Mapping[str, Any]


def letter_rows(letters: Sequence[tuple[Letter, Event | None]]) -> list[tuple[str, ...]]:
    """Return a row for each letter, the first one with the names of the columns."""
    rows: list[tuple[str, ...]] = [
        ("id", "sent (UTC)", "reason", "event id", "event time (UTC)", "detail")
    ]
    for letter, event in letters:
        identity = ("", "")
        if event is not None:
            identity = (shown(event[EVENT_ID]), instant_text(event[EVENT_TIME_MS]))
        sent = instant_text(letter.original.timestamp)
        rows.append((str(letter.id), sent, letter.reason, *identity, shown(letter.detail)))
    return rows


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows as lines whose columns are aligned; the last one is cut to one line."""
    cut = [tuple(_cut(cell) for cell in row) for row in rows]
    widths = [max(len(row[column]) for row in cut) for column in range(len(cut[0]) - 1)]
    return [
        "  ".join(
            (*(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=False)), row[-1])
        )
        for row in cut
    ]


def letter_text(topic: str, letter: Letter, event: Event | None) -> Iterator[str]:
    """Yield everything of a letter."""
    original = letter.original
    yield f"letter {letter.id} of {topic}"
    yield ""
    yield from _part("refused", [f"{letter.reason}, stage {letter.stage}", shown(letter.detail)])
    place = f"{original.topic}, partition {original.partition}, offset {original.offset}"
    yield from _part("original", [place, f"sent {instant_text(original.timestamp)} UTC"])
    yield from _part("key", [_bytes_text(original.key)])
    headers = [[shown(name), _bytes_text(content)] for name, content in original.headers]
    yield from _part("headers", _columns(headers) if headers else ["none"])
    yield from _part("value", [_bytes_text(original.value)])
    if event is None:
        yield from _part("event", ["the value does not decode"])
    else:
        fields = [[name, shown(repr(value))] for name, value in event.items()]
        yield from _part("event", _columns(fields))


def late_text(letter: Letter, event: Event) -> Iterator[str]:
    """Yield how late an event came."""
    time_ms, then = event[EVENT_TIME_MS], newest_then(letter.detail)
    yield from _part("event time", [f"{instant_text(time_ms)} UTC"])
    if then is not None:
        newest_ms, lateness_ms = then
        behind = duration_text((newest_ms - time_ms) * MILLISECOND)
        allowed = duration_text(lateness_ms * MILLISECOND)
        yield from _part(
            "late",
            [
                f"{behind} behind {instant_text(newest_ms)}, the newest event time then",
                f"allowed was less than {allowed}",
                f"requeue: never; {STAYS_LATE}",
            ],
        )


def views_text(views: Sequence[MissedView]) -> Iterator[str]:
    """Yield the windows that would have counted a late event."""
    lines = []
    for missed in views:
        keys = ", ".join(f"{name} {shown(repr(value))}" for name, value in missed.keys.items())
        first, last = instant_text(missed.first_end_ms), instant_text(missed.last_end_ms)
        lines += [
            f"{missed.view.name} ({window_text(missed.view.window)}), {keys}",
            f"   in the {missed.windows:,} windows that end from {first} to {last}",
            f"   {', '.join(missed.features)}",
        ]
    yield from _part("windows", lines or ["no view would have counted it"])


def predictions_text(missed: MissedPredictions) -> Iterator[str]:
    """Yield the predictions of a service that would have counted a late event."""
    lines = [f"{missed.service}: {missed.count:,} would have counted it"]
    if missed.examples:
        rows = [("event id", "time (UTC)", "score", "in")]
        rows += [
            (
                shown(prediction.event_id),
                instant_text(prediction.event_time_ms),
                f"{prediction.score:.6f}",
                ", ".join(prediction.views),
            )
            for prediction in missed.examples
        ]
        lines += [f"   {line}" for line in aligned(rows)]
    if missed.count > len(missed.examples):
        lines.append(f"   and {missed.count - len(missed.examples):,} more")
    if missed.other_definitions:
        lines.append(f"   {missed.other_definitions:,} were made by other definitions: not known")
    yield from _part("predictions", lines)


def shown(text: str | None) -> str:
    """Return a text with everything escaped that a terminal would not print."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text or "")


def instant_text(epoch_ms: int) -> str:
    """Return an instant, or its milliseconds where the calendar ends."""
    try:
        return f"{from_ms(epoch_ms):%Y-%m-%d %H:%M:%S}.{epoch_ms % 1000:03}"
    except OverflowError:
        return f"{epoch_ms} ms"


def _bytes_text(content: bytes | None) -> str:
    if content is None:
        return "null"
    try:
        text = content.decode()
    except UnicodeDecodeError:
        text = ""
    readable = f" {text!r}" if text and text.isprintable() else ""
    return f"{len(content):,} bytes{': ' * bool(content)}{content.hex()}{readable}"


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    width = max(len(name) for name, _ in rows)
    return [f"{name:<{width}}  {value}" for name, value in rows]


def _part(name: str, lines: Sequence[str]) -> Iterator[str]:
    for at, line in enumerate(lines):
        yield f"{name if at == 0 else '':<{_INDENT}}{line}"


def _cut(cell: str) -> str:
    return cell if len(cell) <= _LONGEST_CELL else f"{cell[: _LONGEST_CELL - 3]}..."
