"""The ways to compute rows, each as a mapping from (window end, keys) to values."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
from pyflink.table import TableEnvironment
from stream_cases import Log

from feature_repo.feast_objects import apply
from feature_repo.offline import offline_path
from feature_repo.online_store import connect
from feature_repo.reader import OnlineReader
from feature_repo.rendering import open_store
from feature_repo.writer import InputSlice, OnlineWriter, RowStep
from features.aggregation import Aggregation, Count, CountDistinct, Max, Min, Sum, sum_type
from features.definitions import Definitions
from features.evaluator import evaluate
from features.fields import Bool
from features.instant import to_ms
from features.view import FeatureView
from streaming.flink.backfill import run_backfill
from streaming.flink.environment import create_environment
from streaming.flink.filters import column_sql, condition_sql
from streaming.flink.horizon import capture_end_offsets
from streaming.flink.job import create_views
from streaming.flink.sql import columns, interval, quoted, sql_type
from streaming.flink.tables import MOVE_TIME, enter_table
from streaming.kafka.record import OutputRecord
from streaming.kafka.writer import TransactionalWriter
from streaming.local.stack import EmbeddedStack
from streaming.settings import Settings

Key = tuple[int, tuple[Any, ...]]
Rows = dict[Key, dict[str, Any]]


def settings_for(stack: EmbeddedStack, state_dir: Path, partitions: int) -> Settings:
    """Settings of a job over logs with that many partitions."""
    return Settings(
        state_dir=state_dir,
        bootstrap_servers=stack.bootstrap_servers,
        online_store=stack.redis_address,
        partitions=partitions,
        flink_heap_mb=512,
    )


def write_logs(settings: Settings, records: Iterator[OutputRecord]) -> None:
    """Append records to validated logs."""
    with TransactionalWriter(settings.kafka, "property") as writer:
        for record in records:
            writer.write(record)
        writer.commit()


def log_records(logs: Mapping[str, Log]) -> Iterator[OutputRecord]:
    """All records of all logs."""
    for topic, log in logs.items():
        for partition, records in log.records.items():
            for key, value in records:
                yield OutputRecord(topic, partition, key, value)


def oracle_rows(view: FeatureView, log: Log) -> Rows:
    """Rows by the plain evaluator, up to the horizon."""
    rows = evaluate(view, log.accepted, log.horizon_ms)
    return {(row.window_end_ms, row.keys): row.values for row in rows}


def differences(found: Rows, expected: Rows) -> list[str]:
    """What is missing, too much, or not equal in bits and types; the first few, a line each."""
    return [
        f"{key}: got {found.get(key)}, expected {expected.get(key)}"
        for key in sorted({*found, *expected}, key=repr)
        if key not in found or key not in expected or bits(found[key]) != bits(expected[key])
    ][:5]


def bits(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: (type(value).__name__, _bits(value)) for name, value in values.items()}


def _bits(value: Any) -> Any:
    return value.hex() if isinstance(value, float) else str(value)


def bounded_rows(
    settings: Settings, defined: Definitions, out_dir: Path
) -> dict[FeatureView, Rows]:
    """Rows of the bounded job over the logs as they are."""
    ends = capture_end_offsets(settings.kafka, defined.sources)
    run_backfill(settings, defined.views, ends, out_dir)
    return {view: _parquet_rows(view, out_dir) for view in defined.views}


def _parquet_rows(view: FeatureView, out_dir: Path) -> Rows:
    found: Rows = {}
    for path in offline_path(out_dir, view).glob("*.parquet"):
        for row in pq.read_table(path).to_pylist():
            end_ms = to_ms(row["window_end"])
            assert to_ms(row["event_timestamp"]) == end_ms + view.source.lateness_ms
            key = (end_ms, tuple(row[each.name] for each in view.join_keys))
            assert key not in found
            found[key] = {each.name: row[each.name] for each in view.features}
    return found


def hop_rows(settings: Settings, view: FeatureView, log_dir: Path) -> Rows:
    """Rows of Flink's own sliding windows, for the aggregations that it has; none is empty."""
    environment = create_environment(settings, {}, log_dir=log_dir)
    ends = capture_end_offsets(settings.kafka, [view.source])
    create_views(environment, settings, [view], end_offsets=ends)
    names = [key.name for key in view.join_keys]
    own = [
        (feature.name, _hop_sql(view, aggregation))
        for feature, aggregation in zip(view.features, view.aggregations, strict=True)
        if type(aggregation) in (Count, Sum, Min, Max, CountDistinct)
    ]
    not_null = " AND ".join(f"{quoted(name)} IS NOT NULL" for name in ("event_id", *names))
    window = view.window
    hop = (
        f"HOP(TABLE {quoted(enter_table(view.source))}, DESCRIPTOR({quoted(MOVE_TIME)}), "
        f"{interval(window.slide_ms)}, {interval(window.size_ms)})"
    )
    query = (
        f"SELECT {columns(names)}, 1000 * CAST(EXTRACT(EPOCH FROM window_end) AS BIGINT)"
        f"{''.join(f', {sql} AS {quoted(name)}' for name, sql in own)}\n"
        f"FROM TABLE({hop})\nWHERE {not_null}\n"
        f"GROUP BY window_start, window_end, {columns(names)}"
    )
    return _collected(environment, query, len(names), [name for name, _ in own])


def _collected(environment: TableEnvironment, query: str, keys: int, names: list[str]) -> Rows:
    found: Rows = {}
    with environment.execute_sql(query).collect() as rows:
        for row in rows:
            values = [*row]
            found[values[keys], tuple(values[:keys])] = dict(
                zip(names, values[keys + 1 :], strict=True)
            )
    return found


def _hop_sql(view: FeatureView, aggregation: Aggregation) -> str:
    passed = "TRUE"
    if aggregation.where is not None:
        passed = condition_sql(view.source, aggregation.where.condition)
    if isinstance(aggregation, Count):
        return f"COUNT(CASE WHEN {passed} THEN 1 END)"
    (column,) = aggregation.columns()
    field = view.source.column(column)
    value = column_sql(column)
    if isinstance(field.type, Bool) and isinstance(aggregation, Sum):
        value = f"CASE WHEN {value} THEN 1 WHEN NOT {value} THEN 0 END"
    passed_value = f"CASE WHEN {passed} THEN {value} END"
    if isinstance(aggregation, Sum):
        type_ = sql_type(sum_type(field.type))
        return f"CAST(COALESCE(SUM(CAST({passed_value} AS {type_})), 0) AS {type_})"
    if isinstance(aggregation, CountDistinct):
        return f"COUNT(DISTINCT {passed_value})"
    return f"{aggregation.word.upper()}({passed_value})"


class Stores:
    """The offline and the online store with the rows of a bounded job in them."""

    def __init__(self, settings: Settings, defined: Definitions, module: str) -> None:
        self._settings = settings
        self._defined = defined
        self._module = module

    @contextmanager
    def _importable(self) -> Iterator[None]:
        module = ModuleType(self._module)
        module.__dict__["DEFINITIONS"] = self._defined
        sys.modules[self._module] = module
        try:
            yield
        finally:
            del sys.modules[self._module]

    def offline(self, view: FeatureView, asked: pd.DataFrame, rows_dir: Path) -> list[Any]:
        """Values that Feast's point-in-time join gives each request, in the order asked."""
        with self._importable():
            store = open_store(rows_dir / "feast", online_store=self._settings.online_store)
            apply(store, self._module, rows_dir)
            names = [feature.name for feature in view.features]
            frame = store.get_historical_features(
                entity_df=asked, features=[f"{view.name}:{name}" for name in names]
            ).to_df()
        frame = frame.sort_values("number")
        return [
            {name: numbers(value) for name, value in zip(names, row, strict=True)}
            for row in zip(*(frame[name] for name in names), strict=True)
        ]

    def online(
        self, view: FeatureView, keys: list[tuple[Any, ...]], as_of_ms: list[int], rows: Rows
    ) -> list[Any]:
        """Values that the as-of read gives each request; the rows are written before."""
        redis = connect(self._settings.online_store)
        writer = OnlineWriter(redis, project=self._module, views=[view], ring_slides=1_000_000_000)
        names = [key.name for key in view.join_keys]
        ordered = [
            dict(zip(names, entity, strict=True)) | {"window_end_ms": end} | values
            for (end, entity), values in sorted(rows.items(), key=lambda item: item[0][0])
        ]
        if ordered:
            source = InputSlice(
                topic=view.name, partition=0, first_offset=0, next_offset=len(ordered)
            )
            writer.apply([RowStep(view=view, rows=ordered, source=source)])
        reader = OnlineReader(redis, project=self._module, views=[view])
        found = reader.read(view, keys, pd.Series(as_of_ms).to_numpy())
        redis.close()
        assert not found.ahead.any()
        return [
            {name: numbers(found.columns[name][at]) for name in found.columns}
            for at in range(len(keys))
        ]


def numbers(value: Any) -> Any:
    """What a model sees of a value: text, or the nearest double; None for null."""
    if value is None or isinstance(value, str):
        return value
    if pd.isna(value):
        return None
    return float(value).hex()
