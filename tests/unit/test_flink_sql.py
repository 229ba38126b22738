"""Golden SQL: a change of what Flink runs shows as a diff."""

from pathlib import Path

import pytest

from features.examples import payments
from features.examples.flights import DEFINITIONS
from features.view import FeatureView
from streaming.flink.ddl import feature_sink, history_sink, progress_sink, scan_tables
from streaming.flink.select import select_progress, select_rows, view_statements
from streaming.flink.sql import IntervalError, interval, literal
from streaming.kafka.connection import KafkaConnection

GOLDEN = Path(__file__).parent / "golden"
VIEWS = ("carrier_30d", "dest_arrivals_3h", "origin_boardings_1h", "tail_departures_24h")
KAFKA = KafkaConnection(bootstrap_servers="kafka:9092")
SECOND = 1_000
DAY = 86_400 * SECOND


def job(view: FeatureView) -> str:
    """Every statement of a job of one view."""
    scans = scan_tables(view.source, (view.window.size_ms,), kafka=KAFKA, parallelism=2)
    statements = [
        *scans,
        *view_statements(view),
        feature_sink(view, kafka=KAFKA),
        select_rows(view),
        progress_sink(kafka=KAFKA),
        select_progress(view),
    ]
    return "".join(f"{statement};\n\n" for statement in statements)


def history(view: FeatureView) -> str:
    """The statements that a backfill has in the place of those of the live job."""
    scans = scan_tables(
        view.source,
        (view.window.size_ms,),
        kafka=KAFKA,
        parallelism=1,
        end_offsets={1: 70, 0: 100},
    )
    statements = [
        *scans,
        history_sink(view, Path("/offline/directory")),
        select_rows(view, until_ms=1_388_361_540_000),
    ]
    return "".join(f"{statement};\n\n" for statement in statements)


TEXTS = {name: job(DEFINITIONS.view(name)) for name in VIEWS} | {
    "card_1h": job(payments.DEFINITIONS.view("card_1h")),
    "backfill": history(DEFINITIONS.view("origin_boardings_4h")),
}


@pytest.mark.parametrize("name", TEXTS)
def test_sql_equals_its_golden_file(name: str, request: pytest.FixtureRequest) -> None:
    path = GOLDEN / f"{name}.sql"
    if request.config.getoption("--update-golden"):
        path.write_text(TEXTS[name])
    assert TEXTS[name] == path.read_text()


@pytest.mark.parametrize(
    ("duration_ms", "text"),
    [
        (1, "0 00:00:00.001"),
        (300 * SECOND, "0 00:05:00.000"),
        (30 * DAY - 300 * SECOND, "29 23:55:00.000"),
        (1_000 * DAY - 1, "999 23:59:59.999"),
    ],
)
def test_interval(duration_ms: int, text: str) -> None:
    assert interval(duration_ms) == f"INTERVAL '{text}' DAY(3) TO SECOND(3)"


def test_an_interval_that_flink_cannot_hold_is_refused() -> None:
    with pytest.raises(IntervalError, match="allowed is less than 1000 days"):
        interval(1_000 * DAY)


def test_literals_are_quoted() -> None:
    assert literal("it's") == "'it''s'"
