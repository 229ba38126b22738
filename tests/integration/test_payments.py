"""The payments example through Kafka and the bounded Flink job, against the evaluator."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from feature_repo.offline import offline_path, offline_schema
from features.evaluator import Event, evaluate
from features.examples.payments import DEFINITIONS
from features.examples.payments.history import PaymentsHistory
from features.instant import to_ms
from features.view import FeatureView
from streaming.flink.backfill import BackfillReport, run_backfill
from streaming.flink.horizon import capture_end_offsets
from streaming.intake.importer import import_history
from streaming.kafka.admin import Admin
from streaming.local.stack import EmbeddedStack
from streaming.settings import Settings

pytestmark = [pytest.mark.kafka, pytest.mark.flink]

PARTITIONS = 2
HISTORY = PaymentsHistory(customers=8, days=34)


@pytest.fixture(scope="module")
def offline(
    stack: EmbeddedStack, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, BackfillReport]:
    """The offline rows of every view, up to the end of the history of payments."""
    settings = Settings(
        state_dir=tmp_path_factory.mktemp("state"),
        bootstrap_servers=stack.bootstrap_servers,
        partitions=PARTITIONS,
        flink_heap_mb=512,
    )
    end_ms = max(event["event_time_ms"] for event in HISTORY.events("settlements")) + 1
    for source in DEFINITIONS.sources:
        with Admin(settings.kafka) as admin:
            admin.create_source_topics(source, PARTITIONS)
        events = HISTORY.events(source.name)
        report = import_history(settings, source, DEFINITIONS.slides_ms(source), events, end_ms)
        assert report.accepted == len(list(HISTORY.events(source.name)))
    root = tmp_path_factory.mktemp("offline")
    ends = capture_end_offsets(settings.kafka, DEFINITIONS.sources)
    return root, run_backfill(settings, DEFINITIONS.views, ends, root)


def bits(value: Any) -> Any:
    """A value whose equality is that of its bits; a decimal with all its digits."""
    return value.hex() if isinstance(value, float) else (type(value), str(value))


def expected_rows(view: FeatureView, events: list[Event], until_ms: int) -> list[Any]:
    return [
        (row.keys, row.window_end_ms, {name: bits(value) for name, value in row.values.items()})
        for row in evaluate(view, events, until_ms)
    ]


def offline_rows(root: Path, view: FeatureView) -> list[Any]:
    rows = []
    for path in offline_path(root, view).glob("*.parquet"):
        table = pq.read_table(path)
        assert table.schema.equals(offline_schema(view))
        for row in table.to_pylist():
            end_ms = to_ms(row["window_end"])
            assert to_ms(row["event_timestamp"]) == end_ms + view.source.lateness_ms
            keys = tuple(row[key.name] for key in view.join_keys)
            values = {feature.name: bits(row[feature.name]) for feature in view.features}
            rows.append((keys, end_ms, values))
    return sorted(rows, key=lambda row: (row[1], row[0]))


@pytest.mark.parametrize("view", DEFINITIONS.views, ids=lambda view: view.name)
def test_flink_gives_the_bits_of_the_evaluator(
    offline: tuple[Path, BackfillReport], view: FeatureView
) -> None:
    root, report = offline
    events: list[Event] = list(HISTORY.events(view.source.name))
    until_ms = report.horizon_ms[view.source.name]

    written, expected = offline_rows(root, view), expected_rows(view, events, until_ms)

    assert written == expected
    assert report.rows[view.name] == len(expected) > 100
    # Negative controls: the comparison sees missing events, and every feature varies.
    assert written != expected_rows(view, events[::2], until_ms)
    for feature in view.features:
        assert len({values[feature.name] for _, _, values in written}) > 1, feature.name
