"""A backfill of all views in a process of its own, so that its memory is returned.

`python -m streaming.flink.backfill_process RESULT`: settings come from the environment.
"""

import json
import sys
from dataclasses import asdict
from pathlib import Path

from features.definitions import load_definitions
from streaming.flink.backfill import run_backfill
from streaming.flink.horizon import capture_end_offsets
from streaming.settings import Settings


def main(result: Path) -> None:
    """Replace the offline rows of every view by those of the log as it is now."""
    settings = Settings()
    definitions = load_definitions(settings.definitions)
    ends = capture_end_offsets(settings.kafka, definitions.sources)
    report = run_backfill(settings, definitions.views, ends, settings.offline_dir)
    result.write_text(json.dumps(asdict(report)), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
