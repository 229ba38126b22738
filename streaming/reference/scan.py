"""A bounded Flink job that only counts the events of history files: what reading alone takes.

`python -m streaming.reference.scan RESULT DIRECTORY SOURCE...`
"""

import json
import sys
import time
from pathlib import Path

from features.definitions import load_definitions
from features.source import EVENT_ID, EVENT_TIME_MS, EventSource
from streaming.flink.environment import create_environment
from streaming.flink.sql import quoted, sql_type
from streaming.reference.history import history_file
from streaming.settings import Settings

# Else every event would send a new count to Python.
_MINI_BATCHES = {
    "table.exec.mini-batch.enabled": "true",
    "table.exec.mini-batch.allow-latency": "60 s",
    "table.exec.mini-batch.size": "100000",
}


def main(result: Path, directory: Path, names: list[str]) -> None:
    """Write how many events each file has and how long reading all of them took, JVM included."""
    settings = Settings()
    definitions = load_definitions(settings.definitions)
    began = time.monotonic()
    environment = create_environment(
        settings, _MINI_BATCHES, log_dir=settings.state_dir / "logs" / "scan"
    )
    for name in names:
        environment.execute_sql(scan_table(definitions.source(name), history_file(directory, name)))
    counts = [
        f"SELECT '{name}', COUNT({EVENT_TIME_MS}) FROM {quoted(name)}"  # noqa: S608 - our names
        for name in names
    ]
    events: dict[str, int] = {}
    with environment.execute_sql(" UNION ALL ".join(counts)).collect() as rows:
        for row in rows:
            # A count is updated again and again; the last one stands.
            events[row[0]] = row[1]
    seconds = time.monotonic() - began
    result.write_text(json.dumps({"events": events, "seconds": seconds}), encoding="utf-8")


def scan_table(source: EventSource, file: Path) -> str:
    """Table over a CSV file with a header, whose line has no time that could be parsed."""
    columns = [
        f"{EVENT_ID} STRING",
        f"{EVENT_TIME_MS} BIGINT",
        *(f"{quoted(field.name)} {sql_type(field.type)}" for field in source.fields),
    ]
    return (
        f"CREATE TABLE {quoted(source.name)} ({', '.join(columns)}) WITH ('connector' = "
        f"'filesystem', 'path' = '{file.as_uri()}', 'format' = 'csv', "
        "'csv.ignore-parse-errors' = 'true')"
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
