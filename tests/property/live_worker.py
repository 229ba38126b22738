"""Runs the live job of pickled definitions: FILE [SABOTAGE]; settings are in the environment."""

import logging
import pickle
import sys
from pathlib import Path
from typing import Any

from features.errors import SamestreamError
from features.source import EventSource
from features.view import FeatureView
from streaming.flink import job, live
from streaming.flink.ddl import scan_tables
from streaming.flink.select import select_progress
from streaming.settings import Settings


def _count_twice(view: FeatureView) -> str:
    return select_progress(view).replace("COUNT(*)", "2 * COUNT(*)")


def _twice_as_many(source: EventSource, sizes_ms: tuple[int, ...], **options: Any) -> Any:
    return scan_tables(source, sizes_ms, **options | {"parallelism": 4})


def _sabotage(what: str) -> None:
    """Break on purpose what the suite must notice."""
    if what == "progress counted twice":
        live.select_progress = _count_twice
    elif what == "idle-timeout":
        live._OPTIONS["table.exec.source.idle-timeout"] = "500 ms"  # noqa: SLF001
    elif what == "too many subtasks":
        job.scan_tables = _twice_as_many
    else:
        sys.exit(f"unknown sabotage: {what}")


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    defined = pickle.loads(Path(sys.argv[1]).read_bytes())  # noqa: S301 - written by the test
    for what in sys.argv[2:]:
        _sabotage(what)
    try:
        live.run_live_job(Settings(), defined)
    except SamestreamError as error:
        sys.exit(str(error))
