"""`samestream diff`: a difference between two versions of the definitions, as text."""

from collections.abc import Iterable
from itertools import groupby

from features.diff import Change, Difference, Kind
from features.fingerprint import view_fingerprint


def diff_text(difference: Difference) -> str:
    """Return everything that differs, or that nothing does; the last line is the verdict."""
    sections = [
        ("features", _changes(difference.features)),
        ("on-demand features", _changes(difference.on_demand)),
        ("services", _changes(difference.services)),
        ("sources: which events are accepted", _changes(difference.sources)),
        (
            "rows to compute: views with another name or fingerprint",
            [f"  {view.name}, {view_fingerprint(view)}" for view in difference.recomputed],
        ),
    ]
    lines: list[str] = []
    for title, body in sections:
        if body:
            lines += [title, *body, ""]
    if difference.changes_meaning:
        verdict = "Something changes its meaning or is gone."
    else:
        verdict = "Nothing changes its meaning." if lines else "Nothing differs."
    return "\n".join([*lines, verdict])


def _changes(changes: Iterable[Change]) -> list[str]:
    """Return the changes by kind; definitions with the same cause share it."""
    lines = []
    order = list(Kind)
    ordered = sorted(changes, key=lambda change: order.index(change.kind))
    for (kind, parts), group in groupby(ordered, lambda change: (change.kind, change.parts)):
        lines += [f"  {kind.value:<8} {_names(change)}" for change in group]
        for part in parts:
            shown = [f"{sign} {text}" for sign, text in (("-", part.old), ("+", part.new)) if text]
            body = [line for text in shown for line in _indented(text)]
            lines += [f"             {part.name}", *(f"               {line}" for line in body)]
    return lines


def _names(change: Change) -> str:
    if change.kind is Kind.RENAMED:
        return f"{change.old} -> {change.new}"
    return str(change.new or change.old)


def _indented(text: str) -> list[str]:
    first, *rest = text.splitlines()
    return [first, *(f"  {line}" for line in rest)]
