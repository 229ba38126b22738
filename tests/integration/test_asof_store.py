"""The point-in-time join of our offline store: as Feast's own join, and as a loop would do it."""

from pathlib import Path
from typing import Any

import feast
import numpy as np
import pandas as pd
import pytest
from feast.data_format import ParquetFormat
from feast.types import Float64, Int64, String

from feature_repo.asof import ASOF_STORE_TYPE, EntityRowsError

START = pd.Timestamp("2013-10-01", tz="UTC")
KEYS = ["origin", "dest"]


def minutes(values: Any) -> pd.Series:
    return (START + pd.to_timedelta(pd.Series(values), unit="min")).dt.as_unit("us")


def feature_rows() -> pd.DataFrame:
    random = np.random.default_rng(5)
    rows = pd.DataFrame(
        {
            "origin": random.choice(["JFK", "LGA", "EWR"], 400),
            "dest": random.choice(["LAX", "MIA"], 400),
            "event_timestamp": minutes(random.integers(0, 200, 400)),
            "delays_count": random.integers(0, 9, 400),
            "delays_mean": random.choice([1.5, -2.0, np.nan], 400),
        }
    )
    return rows.drop_duplicates([*KEYS, "event_timestamp"])


def requests() -> pd.DataFrame:
    random = np.random.default_rng(6)
    return pd.DataFrame(
        {
            "event_id": [str(i) for i in range(300)],
            "origin": random.choice(["JFK", "LGA", "XXX", None], 300),
            "dest": random.choice(["LAX", "MIA"], 300),
            "event_timestamp": minutes(random.integers(-10, 220, 300)),
        }
    )


def store(directory: Path, offline: str, ttl: pd.Timedelta | None = None) -> feast.FeatureStore:
    directory.mkdir()
    rows = directory / "rows"
    rows.mkdir()
    feature_rows().to_parquet(rows / "part-0.parquet")
    opened = feast.FeatureStore(
        config=feast.RepoConfig(
            project="asof",
            provider="local",
            registry=str(directory / "registry.db"),
            offline_store={"type": offline},
            online_store=None,
            entity_key_serialization_version=3,
        )
    )
    entities = [
        feast.Entity(name=key, join_keys=[key], value_type=feast.ValueType.STRING) for key in KEYS
    ]
    view = feast.FeatureView(
        name="delays",
        entities=entities,
        schema=[
            *(feast.Field(name=key, dtype=String) for key in KEYS),
            feast.Field(name="delays_count", dtype=Int64),
            feast.Field(name="delays_mean", dtype=Float64),
        ],
        source=feast.FileSource(
            name="delay_rows",
            path=str(rows),
            timestamp_field="event_timestamp",
            file_format=ParquetFormat(),
        ),
        ttl=ttl,
    )
    opened.apply([*entities, view])
    return opened


def answers(opened: feast.FeatureStore, **options: Any) -> pd.DataFrame:
    features = ["delays:delays_count", "delays:delays_mean"]
    frame = opened.get_historical_features(requests(), features, **options).to_df()
    return frame.sort_values("event_id", ignore_index=True)


@pytest.mark.parametrize("ttl", [None, pd.Timedelta(minutes=5)])
@pytest.mark.parametrize("full_feature_names", [False, True])
def test_it_answers_as_feasts_own_join(
    tmp_path: Path, ttl: pd.Timedelta | None, *, full_feature_names: bool
) -> None:
    ours = answers(
        store(tmp_path / "ours", ASOF_STORE_TYPE, ttl), full_feature_names=full_feature_names
    )
    theirs = answers(
        store(tmp_path / "theirs", "duckdb", ttl), full_feature_names=full_feature_names
    )
    pd.testing.assert_frame_equal(ours, theirs, check_exact=True)
    assert 0 < ours.iloc[:, -2].isna().sum() < len(ours)


def test_it_answers_as_a_loop_would(tmp_path: Path) -> None:
    found = answers(store(tmp_path / "ours", ASOF_STORE_TYPE))
    rows = feature_rows().sort_values("event_timestamp")
    at_the_instant = 0
    for answer in found.itertuples():
        seen = rows[
            (rows["origin"] == answer.origin)
            & (rows["dest"] == answer.dest)
            & (rows["event_timestamp"] <= answer.event_timestamp)
        ]
        if seen.empty:
            assert pd.isna(answer.delays_count)
            continue
        newest = seen.iloc[-1]
        at_the_instant += newest["event_timestamp"] == answer.event_timestamp
        assert answer.delays_count == newest["delays_count"]
        assert np.array_equal(answer.delays_mean, newest["delays_mean"], equal_nan=True)
    assert at_the_instant > 10


def test_what_is_no_frame_is_refused(tmp_path: Path) -> None:
    opened = store(tmp_path / "ours", ASOF_STORE_TYPE)
    with pytest.raises(EntityRowsError, match="got str; allowed is a pandas DataFrame"):
        opened.get_historical_features("SELECT 1", ["delays:delays_count"])
