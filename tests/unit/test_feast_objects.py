"""Our definitions as Feast objects, and Feast's configuration."""

from decimal import Decimal as Number
from pathlib import Path

import feast
import numpy as np
import pandas as pd
import pytest
from feast.repo_operations import get_repo_files

from feature_repo.feast_objects import feast_objects
from feature_repo.feast_types import STORED_TYPES, FeastTypeError, key_type
from feature_repo.offline import offline_path
from feature_repo.offline_history import ensure_readable
from feature_repo.on_demand import (
    ChangedDefinitionsError,
    as_array,
    compute_frame,
    on_demand_inputs,
)
from feature_repo.rendering import render_feature_store
from features.examples.flights import DEFINITIONS
from features.fields import Bool, Field, FieldType
from features.fingerprint import service_fingerprint, view_fingerprint

REPO = Path(__file__).parents[2] / "feature_repo"
FLIGHTS = "features.examples.flights"
SERVICE = DEFINITIONS.service("departure_delay")


def test_every_type_of_the_language_has_a_stored_type() -> None:
    assert set(STORED_TYPES) == set(FieldType.__subclasses__())


def test_a_join_key_that_feast_cannot_take_is_refused() -> None:
    with pytest.raises(FeastTypeError, match=r"'paid': got type bool; Feast takes int64"):
        key_type(Field(name="paid", type=Bool()))


def test_views_have_no_ttl_and_carry_their_fingerprint() -> None:
    objects = {
        item.name: item
        for item in feast_objects(FLIGHTS, Path("/offline"))
        if type(item) is feast.FeatureView
    }

    assert list(objects) == [view.name for view in DEFINITIONS.views]
    for view in DEFINITIONS.views:
        converted = objects[view.name]
        assert not converted.ttl
        assert converted.tags["samestream_fingerprint"] == view_fingerprint(view)
        assert converted.batch_source.path == str(offline_path(Path("/offline"), view))
        assert [f.name for f in converted.features] == [f.name for f in view.features]


def test_the_service_takes_its_features_in_order() -> None:
    (service,) = (
        item
        for item in feast_objects(FLIGHTS, Path("/offline"))
        if isinstance(item, feast.FeatureService)
    )
    names = [f.name for part in service.feature_view_projections for f in part.features]

    request_fields = {field.name for field in SERVICE.request.fields}
    assert sorted(names) == sorted(set(SERVICE.features) - request_fields)


def test_join_keys_are_not_request_data_although_they_are_inputs() -> None:
    (view,) = (
        item
        for item in feast_objects(FLIGHTS, Path("/offline"))
        if isinstance(item, feast.OnDemandFeatureView)
    )

    assert "hour" in on_demand_inputs(SERVICE)
    assert set(view.get_request_data_schema()) == {"event_time_ms", "sched_dep"}
    assert "origin_hour_30d" in view.source_feature_view_projections


def test_the_registry_keeps_a_call_of_the_installed_functions() -> None:
    (view,) = (
        item
        for item in feast_objects(FLIGHTS, Path("/offline"))
        if isinstance(item, feast.OnDemandFeatureView)
    )
    restored = feast.OnDemandFeatureView.from_proto(view.to_proto())
    inputs = pd.DataFrame(
        {name: pd.Series([6, None], dtype="Int64") for name in on_demand_inputs(SERVICE)}
    )

    computed = restored.feature_transformation.udf(inputs)

    assert list(computed) == [feature.name for feature in SERVICE.on_demand]
    np.testing.assert_array_equal(computed["origin_backlog"], [-6.0, np.nan])


def test_a_registry_of_other_definitions_is_refused() -> None:
    assert service_fingerprint(SERVICE) != "0123456789ab"
    with pytest.raises(ChangedDefinitionsError, match="apply the definitions again"):
        compute_frame(FLIGHTS, "departure_delay", "0123456789ab", pd.DataFrame())


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pd.Series([1, 2], dtype="int64"), [1.0, 2.0]),
        (pd.Series([1, None], dtype="Int64"), [1.0, np.nan]),
        (pd.Series([1.5, np.nan]), [1.5, np.nan]),
        (pd.Series([True, False]), [1.0, 0.0]),
        (pd.Series([True, None], dtype=object), [1.0, np.nan]),
        (pd.Series([None, None], dtype=object), [np.nan, np.nan]),
        (pd.Series([Number("0.1"), None], dtype=object), [0.1, np.nan]),
        (pd.Series([Number("9" * 38), Number("NaN")], dtype=object), [1e38, np.nan]),
        (pd.Series([2**63 - 1, None], dtype="Int64"), [2.0**63, np.nan]),
        (pd.Series([2**53 + 1, -(2**53) - 3]), [2.0**53, -(2.0**53) - 4]),
    ],
    ids=[
        "int",
        "nullable int",
        "float",
        "bool",
        "bool with null",
        "all null",
        "decimal",
        "long decimal",
        "long nullable int",
        "long int",
    ],
)
def test_numbers_reach_functions_as_float64(column: "pd.Series[object]", expected: object) -> None:
    array = as_array(column, text=False)

    assert array.dtype == np.float64
    np.testing.assert_array_equal(array, expected)


@pytest.mark.parametrize("dtype", [object, "string", "str"])
def test_text_reaches_functions_as_objects(dtype: object) -> None:
    array = as_array(pd.Series(["é", None], dtype=dtype), text=True)

    assert array.dtype == object
    assert array.tolist() == ["é", None]


def test_feast_imports_definitions_and_nothing_else() -> None:
    assert [path.name for path in get_repo_files(REPO)] == ["definitions.py"]


def test_the_rendered_configuration_opens_without_environment(tmp_path: Path) -> None:
    path = tmp_path / "feature_store.yaml"

    render_feature_store(path, registry=tmp_path / "registry.db", online_store="10.0.0.1:6379")

    assert "${" not in path.read_text()
    config = feast.FeatureStore(fs_yaml_file=path).config
    assert config.online_store.connection_string == "10.0.0.1:6379"
    assert config.entity_key_serialization_version == 3


def test_a_view_without_rows_gets_an_empty_file_once(tmp_path: Path) -> None:
    view = DEFINITIONS.views[0]

    ensure_readable(tmp_path, view)
    ensure_readable(tmp_path, view)

    (part,) = offline_path(tmp_path, view).glob("*.parquet")
    frame = pd.read_parquet(part)
    assert frame.empty
    assert {"carrier", "event_timestamp", "carrier_30d_count"} <= set(frame)
