"""Golden Avro schemas: a change of a schema shows as a diff."""

import json
from pathlib import Path

import pytest

from features.examples.flights import DEFINITIONS
from streaming.kafka.schemas import (
    Schema,
    event_schema,
    feature_row_schema,
    prediction_schema,
    progress_schema,
)

GOLDEN = Path(__file__).parent / "golden"

SCHEMAS: dict[str, Schema] = {
    "boardings": event_schema(DEFINITIONS.source("boardings")),
    "departures": event_schema(DEFINITIONS.source("departures")),
    "flight_30d_row": feature_row_schema(DEFINITIONS.view("flight_30d")),
    "tail_arrivals_24h_row": feature_row_schema(DEFINITIONS.view("tail_arrivals_24h")),
    "progress": progress_schema(),
    "prediction": prediction_schema(),
}


@pytest.mark.parametrize("name", SCHEMAS)
def test_schema_equals_its_golden_file(name: str, request: pytest.FixtureRequest) -> None:
    path = GOLDEN / f"{name}.avsc"
    if request.config.getoption("--update-golden"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(SCHEMAS[name], indent=2) + "\n")
    assert json.loads(path.read_text()) == SCHEMAS[name]
