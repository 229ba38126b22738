"""CREATE TABLE statements: the scans of a source and the sinks of a view."""

from collections.abc import Callable, Mapping
from pathlib import Path

from features.source import EVENT_ID, EVENT_TIME_MS, EventSource
from features.view import FeatureView
from streaming.flink.sql import options, quoted, sql_type
from streaming.flink.tables import (
    MOVE_TIME,
    MOVE_TIME_MS,
    PROGRESS,
    WINDOW_END_MS,
    enter_table,
    history_table,
    leave_table,
    rows_table,
)
from streaming.kafka.connection import KafkaConnection
from streaming.kafka.java_options import java_options
from streaming.kafka.topics import PROGRESS_TOPIC, features_topic, validated_topic

# What the consumer of a live job waits for before it hands over less than a full fetch.
_FETCH_WAIT_MS = 10
# How far one scan of a source may be ahead of another while a live job reads a backlog: what leaves
# must wait in state for what enters. A tenth of a second is the shortest time to read that much.
_ALIGNMENT_MS = 86_400_000
_ALIGNMENT_UPDATE_MS = 100


def scan_tables(
    source: EventSource,
    sizes_ms: tuple[int, ...],
    *,
    kafka: KafkaConnection,
    parallelism: int,
    end_offsets: Mapping[int, int] | None = None,
) -> tuple[str, ...]:
    """Tables over the validated log: the enter scan and one leave scan for each window size.

    Args:
        source: the source.
        sizes_ms: distinct window sizes of its views, milliseconds.
        kafka: the cluster.
        parallelism: at most the number of partitions, or no watermark ever moves.
        end_offsets: where to stop in each partition, exclusive; without it the scan never ends.
    """
    common = _scan_options(source, kafka, parallelism)
    return source_tables(
        source, sizes_ms, lambda shift_ms: common | _end_options(source, shift_ms, end_offsets)
    )


def source_tables(
    source: EventSource, sizes_ms: tuple[int, ...], options_of: Callable[[int], dict[str, str]]
) -> tuple[str, ...]:
    """The enter scan of a source and one leave scan for each window size.

    Args:
        source: the source.
        sizes_ms: distinct window sizes of its views, milliseconds.
        options_of: WITH options of the scan that is so many milliseconds late.
    """
    shifts = {enter_table(source): 0} | {leave_table(source, size): size for size in sizes_ms}
    return tuple(
        _scan(name, source, shift_ms, options(options_of(shift_ms)))
        for name, shift_ms in shifts.items()
    )


def _scan(name: str, source: EventSource, shift_ms: int, with_options: str) -> str:
    move_ms = f"{quoted(EVENT_TIME_MS)} + {shift_ms}" if shift_ms else quoted(EVENT_TIME_MS)
    lag_ms = source.lateness_ms - shift_ms
    watermark = f"{quoted(EVENT_TIME_MS)} {'-' if lag_ms > 0 else '+'} {abs(lag_ms)}"
    lines = [
        f"  {quoted(EVENT_ID)} STRING",
        f"  {quoted(EVENT_TIME_MS)} BIGINT NOT NULL",
        *(f"  {quoted(field.name)} {sql_type(field.type)}" for field in source.fields),
        f"  {quoted(MOVE_TIME_MS)} AS {move_ms}",
        f"  {quoted(MOVE_TIME)} AS TO_TIMESTAMP_LTZ({move_ms}, 3)",
        f"  WATERMARK FOR {quoted(MOVE_TIME)} AS TO_TIMESTAMP_LTZ({watermark}, 3)",
    ]
    return _create(name, lines, with_options)


def _scan_options(source: EventSource, kafka: KafkaConnection, parallelism: int) -> dict[str, str]:
    return {
        "connector": "kafka",
        "topic": validated_topic(source),
        **_client_options(kafka),
        "properties.isolation.level": "read_committed",
        "properties.allow.auto.create.topics": "false",
        "properties.commit.offsets.on.checkpoint": "false",
        "scan.startup.mode": "earliest-offset",
        "scan.topic-partition-discovery.interval": "0",
        "scan.parallelism": str(parallelism),
        "format": "avro",
    }


def _end_options(
    source: EventSource, shift_ms: int, end_offsets: Mapping[int, int] | None
) -> dict[str, str]:
    """Options of a live scan, or of one that stops.

    Scans that stop are not aligned: Flink 2.3 pauses partitions that are read to their end, and
    fails.
    """
    if end_offsets is None:
        return {
            "properties.fetch.max.wait.ms": str(_FETCH_WAIT_MS),
            "scan.watermark.alignment.group": source.name,
            "scan.watermark.alignment.max-drift": f"{shift_ms + _ALIGNMENT_MS} ms",
            "scan.watermark.alignment.update-interval": f"{_ALIGNMENT_UPDATE_MS} ms",
        }
    ends = ";".join(
        f"partition:{partition},offset:{offset}"
        for partition, offset in sorted(end_offsets.items())
    )
    return {
        "scan.bounded.mode": "specific-offsets",
        "scan.bounded.specific-offsets": ends,
    }


def feature_sink(view: FeatureView, *, kafka: KafkaConnection) -> str:
    """Table over the feature topic of a view, keyed by its join keys.

    At-least-once, because a row is determined by its key and window end.
    """
    values = _sink_options(features_topic(view), kafka) | {
        "key.format": "avro",
        "key.fields": ";".join(key.name for key in view.join_keys),
        "value.format": "avro",
        "value.fields-include": "ALL",
    }
    return _create(rows_table(view), _row_columns(view), options(values))


def progress_sink(*, kafka: KafkaConnection) -> str:
    """Table over the progress topic; one writer, so that window ends of a view stay in order."""
    lines = [
        "  `view` STRING NOT NULL",
        "  `fingerprint` STRING NOT NULL",
        f"  {quoted(WINDOW_END_MS)} BIGINT NOT NULL",
        "  `row_count` BIGINT NOT NULL",
    ]
    values = _sink_options(PROGRESS_TOPIC, kafka) | {
        "format": "avro",
        "sink.parallelism": "1",
    }
    return _create(PROGRESS, lines, options(values))


def history_sink(view: FeatureView, directory: Path) -> str:
    """Table over Parquet files of the rows of a view, in an absolute directory."""
    values = {"connector": "filesystem", "path": directory.as_uri(), "format": "parquet"}
    return _create(history_table(view), _row_columns(view), options(values))


def _row_columns(view: FeatureView) -> list[str]:
    keys = [(key.name, sql_type(key.type), False) for key in view.join_keys]
    features = [(item.name, sql_type(item.type), item.nullable) for item in view.features]
    return [
        f"  {quoted(name)} {type_}" + ("" if nullable else " NOT NULL")
        for name, type_, nullable in (*keys, (WINDOW_END_MS, "BIGINT", False), *features)
    ]


def _sink_options(topic: str, kafka: KafkaConnection) -> dict[str, str]:
    return {
        "connector": "kafka",
        "topic": topic,
        **_client_options(kafka),
        "properties.linger.ms": "0",
        "properties.allow.auto.create.topics": "false",
        "sink.delivery-guarantee": "at-least-once",
    }


def _client_options(kafka: KafkaConnection) -> dict[str, str]:
    properties = {"bootstrap.servers": kafka.bootstrap_servers} | java_options(kafka)
    return {f"properties.{name}": value for name, value in properties.items()}


def _create(name: str, lines: list[str], with_options: str) -> str:
    body = ",\n".join(lines)
    return f"CREATE TEMPORARY TABLE {quoted(name)} (\n{body}\n) {with_options}"
