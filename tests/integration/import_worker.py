"""An import that stops in an open transaction, to be killed there: NAME BOOTSTRAP STOP_AFTER."""

import sys
import threading
from collections.abc import Iterator
from typing import Any

from intake_worker import PARTITIONS, SLIDE_MS, intake_source

from streaming.intake import importer
from streaming.settings import Settings

START_MS = 1_000_000_000_000
STEP_MS = 7
END_MS = START_MS + 60_000
RECORDS_PER_TRANSACTION = 500


def history(count: int = 4_000) -> Iterator[dict[str, Any]]:
    """Sorted events; one in a hundred is not valid."""
    for n in range(count):
        yield {
            "event_id": f"e{n:05}",
            "event_time_ms": START_MS + n * STEP_MS,
            "item": f"item{n % 10}",
            "amount": 5_000 if n % 100 == 50 else n % 1_000,
        }


def run_import(
    name: str, bootstrap_servers: str, events: Iterator[dict[str, Any]], end_ms: int = END_MS
) -> importer.ImportReport:
    # Several transactions for few events.
    importer._RECORDS_PER_TRANSACTION = RECORDS_PER_TRANSACTION  # noqa: SLF001
    settings = Settings(bootstrap_servers=bootstrap_servers, partitions=PARTITIONS)
    return importer.import_history(settings, intake_source(name), [SLIDE_MS], events, end_ms)


def _stopping(after: int) -> Iterator[dict[str, Any]]:
    for n, event in enumerate(history()):
        if n == after:
            sys.stdout.write("stopped\n")
            sys.stdout.flush()
            threading.Event().wait()
        yield event


if __name__ == "__main__":
    _, own_name, servers, stop_after = sys.argv
    run_import(own_name, servers, _stopping(int(stop_after)))
