"""Schema files beside the definitions: written, checked, and never broken by a change."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from features.aggregation import Count
from features.definitions import Definitions
from features.entity import Entity
from features.fields import Decimal, Field, FieldType, Int64, String
from features.source import EventSource
from features.view import FeatureView
from features.window import SlidingWindow
from streaming.cli import app
from streaming.intake.schema_versions import (
    SchemaVersionError,
    check_versions,
    schema_directory,
    schema_versions,
    write_versions,
)

EXAMPLES = ["features.examples.flights", "features.examples.payments"]


def definitions(*fields: Field) -> Definitions:
    view = FeatureView(
        name="orders_1h",
        source=EventSource(
            name="orders",
            fields=(Field(name="shop", type=String()), *fields),
            lateness=timedelta(minutes=1),
        ),
        entity=Entity(name="shop", join_keys=("shop",)),
        window=SlidingWindow(size=timedelta(hours=1), slide=timedelta(minutes=5)),
        aggregations=(Count(),),
    )
    return Definitions(views=(view,), services=())


def amount(type_: FieldType, name: str = "amount", *aliases: str) -> Field:
    return Field(name=name, type=type_, nullable=True, aliases=aliases)


FIRST = definitions(amount(Int64()))


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


@pytest.mark.parametrize("module", EXAMPLES)
def test_the_examples_have_their_schema_files(module: str) -> None:
    result = CliRunner().invoke(app, ["schemas", "check", "--definitions", module])
    assert result.exit_code == 0, result.output
    assert "version 1, reads versions 1 to 1" in result.output


def test_each_change_is_a_new_version(tmp_path: Path) -> None:
    directory = tmp_path / "schemas"
    assert write_versions(directory, FIRST) == [directory / "orders.v1.avsc"]
    assert write_versions(directory, FIRST) == []
    assert check_versions(directory, FIRST) == ["orders: version 1, reads versions 1 to 1"]

    added = definitions(amount(Int64()), amount(Int64(), "tip"))
    with pytest.raises(SchemaVersionError, match=r"got orders\.v1\.avsc.*schemas write"):
        check_versions(directory, added)
    write_versions(directory, added)
    removed = definitions(amount(Int64(), "tip"))
    write_versions(directory, removed)
    renamed = definitions(amount(Int64(), "gratuity", "tip"))
    write_versions(directory, renamed)

    assert check_versions(directory, renamed) == ["orders: version 4, reads versions 1 to 4"]
    assert names(directory) == [f"orders.v{number}.avsc" for number in (1, 2, 3, 4)]
    (source,) = renamed.sources
    assert [version.number for version in schema_versions(directory, source)] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (definitions(amount(String())), r"cannot read orders\.v1\.avsc: amount: "),
        (definitions(amount(Decimal(precision=9, scale=2))), r"amount: .*union lacking"),
    ],
)
def test_an_incompatible_change_is_refused(
    tmp_path: Path, changed: Definitions, message: str
) -> None:
    write_versions(tmp_path, FIRST)
    for attempt in (check_versions, write_versions):
        with pytest.raises(SchemaVersionError, match=message):
            attempt(tmp_path, changed)
    assert names(tmp_path) == ["orders.v1.avsc"]


def test_another_scale_is_refused_although_the_fingerprint_is_the_same(tmp_path: Path) -> None:
    write_versions(tmp_path, definitions(amount(Decimal(precision=9, scale=2))))
    write_versions(tmp_path, definitions(amount(Decimal(precision=12, scale=2))))
    with pytest.raises(SchemaVersionError, match="got decimals of scale 2; allowed is decimals"):
        write_versions(tmp_path, definitions(amount(Decimal(precision=9, scale=4))))


def test_files_that_cannot_be_versions_are_refused(tmp_path: Path) -> None:
    (source,) = FIRST.sources
    write_versions(tmp_path, FIRST)
    (tmp_path / "orders.v3.avsc").write_text("{}")
    with pytest.raises(SchemaVersionError, match="version 2 is missing"):
        schema_versions(tmp_path, source)
    (tmp_path / "orders.v2.avsc").write_text("{")
    with pytest.raises(SchemaVersionError, match=r"orders\.v2\.avsc: not JSON"):
        schema_versions(tmp_path, source)
    (tmp_path / "orders.v2.avsc").write_text(json.dumps("string"))
    with pytest.raises(
        SchemaVersionError, match=r"cannot read orders\.v2\.avsc: schema: got string"
    ):
        check_versions(tmp_path, FIRST)
    (tmp_path / "orders.avsc").write_text("{}")
    with pytest.raises(SchemaVersionError, match=r"allowed are names such as orders\.v1\.avsc"):
        schema_versions(tmp_path, source)


def test_the_directory_is_beside_the_definitions() -> None:
    assert schema_directory("features.examples.flights").parts[-3:] == (
        "examples",
        "flights",
        "schemas",
    )
