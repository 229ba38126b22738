"""The model of the flights example reaches the figures of an independent implementation."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from features.examples.flights.definitions import ON_DEMAND_FEATURES, departure_delay
from features.examples.flights.history import read_history
from features.instant import to_ms
from models.dataset import entity_rows
from models.narrowing import narrowed
from models.train import train


def test_on_demand_features_alone_reach_the_reference() -> None:
    """Trained on January to October in New York, tested on November and December."""
    history = read_history()
    rows = entity_rows(departure_delay, history.events("boardings"), history.events("departures"))
    split_ms = to_ms(datetime(2013, 11, 1, tzinfo=ZoneInfo("America/New_York")))
    service = narrowed(departure_delay, ON_DEMAND_FEATURES)
    manifest = train(service, rows, split_ms=split_ms, nthread=1).manifest
    assert len(rows) == 328_521
    assert manifest.metrics.rows == 54_145
    assert manifest.metrics.positive_share == pytest.approx(0.2111, abs=0.0001)
    assert manifest.metrics.auc == pytest.approx(0.6706, abs=0.003)
    assert manifest.metrics.average_precision == pytest.approx(0.3343, abs=0.005)
    assert manifest.metrics.log_loss == pytest.approx(0.4867, abs=0.002)
    assert manifest.metrics.brier == pytest.approx(0.1573, abs=0.001)
    assert manifest.metrics.top_precision == pytest.approx(0.426, abs=0.015)
