"""`samestream verify`: the proof as a table and as JSON."""

import json
from dataclasses import asdict
from pathlib import Path

from features.definitions import load_definitions
from streaming.audit.replay import replay
from streaming.console import Console
from streaming.settings import Settings


def verify(settings: Settings, service: str, json_file: Path | None) -> bool:
    """Replay everything that a service has served, print the verdicts, return whether proven."""
    console = Console()
    definitions = load_definitions(settings.definitions)
    report = replay(settings, definitions, definitions.service(service))
    show_report(console, asdict(report))
    if json_file is not None:
        content = {**asdict(report), "proven": report.proven}
        json_file.write_text(json.dumps(content, indent=2), encoding="utf-8")
    return report.proven


def show_report(console: Console, report: dict[str, object]) -> None:
    """Print the figures of a `ReplayReport`."""
    explained = report["explained"]
    assert isinstance(explained, dict)  # noqa: S101 - narrows the type
    rows = [
        ("requests that should have a prediction", report["requests"]),
        ("predictions", report["predictions"]),
        ("predictions over HTTP", report["over_http"]),
        ("EXACT", report["exact"]),
        *((f"EXPLAINED by {marks}", count) for marks, count in sorted(explained.items())),
        *((("EXPLAINED", 0),) if not explained else ()),
        ("UNEXPLAINED", report["unexplained"]),
        ("missing", report["missing"]),
        ("doubled", report["doubled"]),
        ("refused (dead letters)", report["refused"]),
        *((("of other definitions", others),) if (others := report["other_definitions"]) else ()),
        ("pending", report["pending"]),
    ]
    console.table(("verdict", "predictions"), [(name, f"{count:,}") for name, count in rows])
    examples = report["examples"]
    assert isinstance(examples, list)  # noqa: S101 - narrows the type
    for example in examples:
        console.say(f"   {example}")
