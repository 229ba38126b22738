"""Writes the history of the flights example as CSV files, in a process of its own.

`python -m streaming.reference.history DIRECTORY UNTIL_MS`
"""

import csv
import sys
from pathlib import Path
from typing import Any

from features.examples.flights import DEFINITIONS
from features.examples.flights.history import read_history


def history_file(directory: Path, source: str) -> Path:
    """Return the file of the events of a source."""
    return directory / f"{source}.csv"


def main(directory: Path, until_ms: int) -> None:
    """Write a file for each source; null is an empty field."""
    history = read_history()
    for source in DEFINITIONS.sources:
        names = ["event_id", "event_time_ms", *(field.name for field in source.fields)]
        with history_file(directory, source.name).open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, names)
            writer.writeheader()
            for event in history.events(source.name, end_ms=until_ms):
                writer.writerow({name: _field(value) for name, value in event.items()})


def _field(value: Any) -> Any:  # noqa: ANN401
    return str(value).lower() if isinstance(value, bool) else value


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
