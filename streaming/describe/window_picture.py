"""One window of a view drawn on the line of event time."""

from collections.abc import Mapping
from datetime import timedelta

from features.window import SlidingWindow
from features.wording import duration_text

# Windows of more slides than this are drawn with a gap.
_MOST_SLIDES = 8
_SHOWN_SLIDES = 3
_SLIDE_COLUMNS = 6
_COLUMNS = 48
_LEAST_GAP = 4
_BREAK = "//"
_GAP = f"|-{_BREAK}--"
_INDENT = 13


def window_picture(window: SlidingWindow, lateness: timedelta) -> str:
    """Draw a window and the next one, then who sees its row.

    Args:
        window: size and slide.
        lateness: of the source of the view.
    """
    lines = [*_slides(window), "", *_from_the_end_on(window, lateness)]
    return "\n".join(line.rstrip() for line in lines)


def _slides(window: SlidingWindow) -> list[str]:
    number = window.size_ms // window.slide_ms
    broken = number > _MOST_SLIDES
    width = _SLIDE_COLUMNS if broken else max(_SLIDE_COLUMNS, _COLUMNS // 2 // number)
    cell = "|" + "-" * (width - 1)
    inside = cell * _SHOWN_SLIDES + _GAP + cell * _SHOWN_SLIDES if broken else cell * number
    end = len(inside)
    following = end + width
    slide = duration_text(window.slide)
    marks = {0: f"W - {duration_text(window.size)}", end: "W", following: f"W + {slide}"}

    def bar(start: int) -> str:
        drawn = " " * start + "[" + "=" * (end - 1) + ")"
        return _put(drawn, inside.find(_BREAK), _BREAK) if broken else drawn

    return [
        *_labels(marks),
        _row("", f"{inside}{cell}|   slides of {slide}, {number} in a window"),
        _row("window W", f"{bar(0).ljust(following)}    the start is inside, the end is not"),
        _row("the next one", bar(width)),
    ]


def _from_the_end_on(window: SlidingWindow, lateness: timedelta) -> list[str]:
    instants = sorted({timedelta(0), lateness, window.slide, window.slide + lateness})
    columns, to_scale = _columns(instants)
    marks = {
        columns[instant]: f"W + {duration_text(instant)}" if instant else "W"
        for instant in instants
    }
    known, replaced = columns[lateness], columns[window.slide + lateness]
    ruler = "-" * replaced + "|"
    for column in marks:
        ruler = _put(ruler, column, "|")
    following = f"W + {duration_text(window.slide)}"
    return [
        *_labels(marks),
        _row("", f"{ruler}   {'to scale' if to_scale else 'not to scale'}"),
        _row("lateness", "~" * known + "    events of the window may still be accepted"),
        _row("row W", " " * known + "^   available-at"),
        _row(
            "requests",
            " " * known + "[" + "=" * (replaced - known - 1) + f")   see row W, then {following}",
        ),
    ]


def _columns(instants: list[timedelta]) -> tuple[dict[timedelta, int], bool]:
    """Return a column for each instant, and whether their distances are to scale."""
    exact = {instant: round(_COLUMNS * (instant / instants[-1])) for instant in instants}
    columns: dict[timedelta, int] = {}
    for instant in instants:
        least = max(columns.values(), default=-_LEAST_GAP) + _LEAST_GAP
        columns[instant] = max(least, exact[instant])
    return columns, columns == exact


def _labels(marks: Mapping[int, str]) -> list[str]:
    """Return lines with each label at its column, one above the other where they would touch."""
    lines: list[str] = []
    for column in sorted(marks, reverse=True):
        text = marks[column]
        level = 0
        while level < len(lines) and lines[level][column : column + len(text) + 2].strip():
            lines[level] = _put(lines[level], column, "|")
            level += 1
        if level == len(lines):
            lines.append("")
        lines[level] = _put(lines[level], column, text)
    return [_row("", line) for line in reversed(lines)]


def _put(line: str, column: int, text: str) -> str:
    padded = line.ljust(column)
    return padded[:column] + text + padded[column + len(text) :]


def _row(name: str, drawing: str) -> str:
    return f"{name:<{_INDENT}}{drawing}"
