"""`samestream late` and `samestream dead`."""

import json
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

from features.definitions import load_definitions
from features.errors import SamestreamError
from features.instant import to_ms
from features.source import EVENT_TIME_MS, EventSource
from streaming.console import Console
from streaming.intake.deployed import raw_events
from streaming.kafka.topics import raw_topic
from streaming.quarantine.as_json import count_json, letter_json, missed_json, requeue_json
from streaming.quarantine.as_text import (
    aligned,
    late_text,
    letter_rows,
    letter_text,
    predictions_text,
    shown,
    views_text,
)
from streaming.quarantine.counting import LetterCount, count_letters
from streaming.quarantine.decoding import letter_values
from streaming.quarantine.letters import Kind, LetterLog
from streaming.quarantine.missed import missed_predictions, missed_views
from streaming.quarantine.requeue import RequeueReport, requeue
from streaming.quarantine.selection import Selection, newest, oldest, sample
from streaming.settings import Settings

_SHOWN = 20


class OptionError(SamestreamError, ValueError):
    """Options that do not go together."""


def selection(reason: str | None, partition: int | None, since: str | None) -> Selection:
    """Return what the options select.

    Raises:
        OptionError: `since` is no instant with a time zone.
    """
    if since is None:
        return Selection(reason=reason, partition=partition)
    try:
        since_ms = to_ms(datetime.fromisoformat(since))
    except ValueError as error:
        msg = f"--since: got {since!r}; allowed is an instant such as 2014-01-01T00:00:00Z"
        raise OptionError(msg) from error
    return Selection(reason=reason, partition=partition, since_ms=since_ms)


def list_letters(
    settings: Settings,
    kind: Kind,
    source_name: str,
    selected: Selection,
    *,
    limit: int,
    from_oldest: bool,
    sampled: int | None,
    json_file: Path | None,
) -> None:
    """Print one line for each letter, in the order in which they were sent."""
    source = _source(settings, source_name)
    raw = raw_events(settings, source)
    with LetterLog(settings.kafka, source, kind) as log:
        if sampled is not None:
            letters = sample(log, selected, sampled)
        else:
            letters = (oldest if from_oldest else newest)(log, selected, limit)
    found = [(letter, letter_values(raw, letter)) for letter in letters]
    console = Console()
    for line in aligned(letter_rows(found)) if found else [f"{log.topic}: none"]:
        console.say(line)
    _write(json_file, {"letters": [letter_json(letter, event) for letter, event in found]})


def count(settings: Settings, kind: Kind, source_name: str, json_file: Path | None) -> bool:
    """Print how many letters there are; return whether intake counted as many."""
    source = _source(settings, source_name)
    counted = count_letters(settings.kafka, source, kind)
    _show_count(Console(), counted, raw_topic(source))
    _write(json_file, count_json(counted))
    return counted.agrees


def show(
    settings: Settings, kind: Kind, source_name: str, letter_id: str, json_file: Path | None
) -> None:
    """Print everything of one letter, and what a late one would have changed."""
    definitions = load_definitions(settings.definitions)
    source = definitions.source(source_name)
    with LetterLog(settings.kafka, source, kind) as log:
        letter = log.letter(letter_id)
    event = letter_values(raw_events(settings, source), letter)
    content = letter_json(letter, event)
    lines = [*letter_text(log.topic, letter, event)]
    if kind == "late" and event is not None:
        views = missed_views(definitions, source, event)
        predictions = [
            missed_predictions(settings.kafka, service, views, event[EVENT_TIME_MS], _SHOWN)
            for service in definitions.services
            if any(missed.view in service.views for missed in views)
        ]
        unscored = [one.name for one in definitions.services if one.request == source]
        content |= missed_json(views, predictions) | {"not_scored_by": unscored}
        lines += [*late_text(letter, event), *views_text(views)]
        for missed in predictions:
            lines += predictions_text(missed)
        if unscored:
            lines.append(f"{'request':<13}not scored, as it is late: {', '.join(unscored)}")
    console = Console()
    for line in lines:
        console.say(line)
    _write(json_file, content)


def requeue_letters(
    settings: Settings,
    source_name: str,
    wanted: list[str] | Selection,
    *,
    dry_run: bool,
    json_file: Path | None,
) -> bool:
    """Publish dead letters again; return whether all that were asked for are published."""
    source = _source(settings, source_name)
    report = requeue(settings, source, wanted, dry_run=dry_run)
    _show_requeue(Console(), report, raw_topic(source), dry_run=dry_run)
    _write(json_file, {"dry_run": dry_run, **requeue_json(report)})
    return not report.kept


def _show_count(console: Console, counted: LetterCount, raw: str) -> None:
    kinds = sorted({(reason, stage) for reason, stage, _ in counted.letters})
    numbers = [[counted.letters[*kind, p] for p in counted.partitions] for kind in kinds]
    rows = [
        (f"{reason} ({stage})", *row, sum(row))
        for (reason, stage), row in zip(kinds, numbers, strict=True)
    ]
    by_partition = [sum(row[at] for row in numbers) for at in range(len(counted.partitions))]
    rows.append(("total", *by_partition, counted.letters.total()))
    console.table(
        ("reason (stage)", *(f"partition {p}" for p in counted.partitions), "total"),
        [(name, *(f"{number:,}" for number in row)) for name, *row in rows],
    )
    console.say()
    if counted.imported:
        console.say(f"{counted.imported:,} are of imported history, not of {raw}")
    verdict = "agrees" if counted.agrees else "DIFFERS"
    console.say(
        f"letters of {raw}: {counted.from_raw:,}; intake counted {counted.counted_after:,}: "
        f"{verdict}"
    )


def _show_requeue(console: Console, report: RequeueReport, raw: str, *, dry_run: bool) -> None:
    if report.kept:
        rows = [("id", "kept because", "detail")]
        rows += [(str(kept.id), kept.why, shown(kept.detail)) for kept in report.kept[:_SHOWN]]
        for line in aligned(rows):
            console.say(line)
        whys = Counter(kept.why for kept in report.kept)
        console.say(f"kept: {', '.join(f'{why} {n:,}' for why, n in sorted(whys.items()))}")
        console.say()
    verb = "would be requeued" if dry_run else "requeued"
    console.say(
        f"{len(report.requeued):,} {verb} to {raw}, {len(report.earlier):,} were earlier, "
        f"{len(report.kept):,} cannot be"
    )


def _source(settings: Settings, name: str) -> EventSource:
    return load_definitions(settings.definitions).source(name)


def _write(json_file: Path | None, content: dict[str, Any]) -> None:
    if json_file is not None:
        json_file.write_text(json.dumps(content, indent=2, default=str), encoding="utf-8")
