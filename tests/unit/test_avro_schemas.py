"""Golden Avro schemas: a change of a schema shows as a diff."""

import json
from pathlib import Path

import pytest

from features.examples.flights import DEFINITIONS
from features.fields import Decimal, FieldType
from streaming.kafka.schemas import (
    Schema,
    avro_type,
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


def test_every_type_of_the_language_has_an_avro_type() -> None:
    for kind in FieldType.__subclasses__():
        assert avro_type(kind(precision=1) if kind is Decimal else kind())


def test_a_decimal_is_what_flink_takes_for_one() -> None:
    assert avro_type(Decimal(precision=38, scale=6)) == {
        "type": "bytes",
        "logicalType": "decimal",
        "precision": 38,
        "scale": 6,
    }


@pytest.mark.parametrize("name", SCHEMAS)
def test_schema_equals_its_golden_file(name: str, request: pytest.FixtureRequest) -> None:
    path = GOLDEN / f"{name}.avsc"
    if request.config.getoption("--update-golden"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(SCHEMAS[name], indent=2) + "\n")
    assert json.loads(path.read_text()) == SCHEMAS[name]
