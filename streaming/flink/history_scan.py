"""Scans of the validated log that was written to one file."""

from pathlib import Path

from features.source import EventSource
from streaming.flink.ddl import source_tables


def history_scan_tables(
    source: EventSource, sizes_ms: tuple[int, ...], log: Path
) -> tuple[str, ...]:
    """Tables over a file of the log: the enter scan and one leave scan for each window size.

    Events must be in the order of their time. Flink reads a local file as one split, so one reader
    has all of it and the order is kept.

    Args:
        source: the source.
        sizes_ms: distinct window sizes of its views, milliseconds.
        log: Avro container file, absolute.
    """
    values = {"connector": "filesystem", "path": log.as_uri(), "format": "avro"}
    return source_tables(source, sizes_ms, lambda _: values)
