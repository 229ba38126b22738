"""Computes offline rows from the history files, in a process of its own.

`python -m streaming.reference.backfill RESULT DIRECTORY UNTIL_MS VIEW...`
"""

import json
import sys
from dataclasses import asdict
from pathlib import Path

from features.definitions import load_definitions
from features.instant import from_ms
from streaming.flink.backfill_files import run_files_backfill
from streaming.flink.job import sources_of
from streaming.reference.history import history_file
from streaming.settings import Settings


def main(result: Path, directory: Path, until_ms: int, names: list[str]) -> None:
    """Write the offline rows of some views and what came of them."""
    settings = Settings()
    definitions = load_definitions(settings.definitions)
    views = [definitions.view(name) for name in names]
    report = run_files_backfill(
        settings,
        views,
        {s.name: [str(history_file(directory, s.name))] for s in sources_of(views)},
        from_ms(until_ms),
        settings.offline_dir,
    )
    result.write_text(json.dumps(asdict(report)), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])
