"""The comparison of `samestream flights-reference`: exact sums, tolerances, required bounds."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from features.examples.flights import DEFINITIONS
from streaming.reference.definitions import SUM_VIEWS, reference
from streaming.reference.given import EVENTS, TEST_ROWS, TRAINING_ROWS, checks
from streaming.reference.sums import InexactSumError, ViewSums, window_sums

SUMS = {
    "carrier_30d": (1_088_257_961, 770, 13_905_532_177, 235_876_757),
    "route_30d": (97_503_729, 896, 1_098_016_198, 19_027_635),
    "tail_30d": (4_760_095, 10_247, 59_202_735, 1_031_945),
    "origin_departures_1h": (5_587_500, 15_550, 45_735_191, 990_716),
    "origin_departures_3h": (15_198_970, 14_835, 114_387_942, 2_579_371),
    "carrier_departures_3h": (5_696_221, 28_126, 45_026_513, 990_482),
    "dest_departures_3h": (1_190_605, 71_058, 7_605_539, 182_486),
    "origin_boardings_1h": (6_200_914, 1_999, None, None),
    "origin_boardings_4h": (22_065_466, 1_779, None, None),
    "tail_departures_24h": (250_866, 164_257, 3_040_041, 1),
}
METRICS = {
    "on_demand": (0.6706, 0.3343, 0.4867, 0.1573, 0.426),
    "batch": (0.6902, 0.3542, 0.4821, 0.1555, 0.458),
    "streaming": (0.7727, 0.5537, 0.4212, 0.1317, 0.800),
    "all": (0.7749, 0.5563, 0.4203, 0.1313, 0.800),
}


def report() -> dict[str, Any]:
    sums = ("sum_of_counts", "empty", "sum_of_delays", "sum_of_late")
    metrics = ("auc", "ap", "log_loss", "brier", "precision_at_5")
    return {
        "events": dict(EVENTS),
        "training_rows": TRAINING_ROWS,
        "test_rows": TEST_ROWS,
        "views": {name: dict(zip(sums, given, strict=True)) for name, given in SUMS.items()},
        "metrics": {
            name: dict(zip(metrics, given, strict=True)) for name, given in METRICS.items()
        },
    }


def missed(measured: dict[str, Any]) -> list[str]:
    return [check.name for check in checks(measured) if not check.passed]


def test_the_given_figures_agree_with_themselves() -> None:
    found = checks(report())
    assert all(check.passed for check in found)
    # Events, rows, sums (no delays of boardings, no late of the last view), metrics, bounds.
    assert len(found) == 3 + 2 + (10 * 4 - 5) + 4 * 5 + 3


@pytest.mark.parametrize("change", [-1, 1])
@pytest.mark.parametrize(
    ("view", "what"), [("carrier_30d", "sum_of_delays"), ("tail_departures_24h", "empty")]
)
def test_a_sum_that_is_off_by_one_is_missed(view: str, what: str, change: int) -> None:
    measured = report()
    measured["views"][view][what] += change
    assert missed(measured) == [f"{view} {what}"]


@pytest.mark.parametrize(
    ("name", "metric", "value", "names"),
    [
        ("batch", "auc", 0.6931, []),
        ("batch", "auc", 0.6933, ["batch auc"]),
        ("all", "auc", 0.7720, []),
        ("all", "auc", 0.7690, ["all auc", "all auc, required"]),
        ("all", "ap", 0.5440, ["all ap", "all ap, required"]),
        ("on_demand", "brier", 0.1584, ["on_demand brier"]),
        ("streaming", "precision_at_5", 0.786, []),
        ("batch", "auc", 0.7060, ["batch auc", "all auc above batch"]),
    ],
)
def test_metrics_have_tolerances_and_bounds(
    name: str, metric: str, value: float, names: list[str]
) -> None:
    measured = report()
    measured["metrics"][name][metric] = value
    assert missed(measured) == names


def test_sums_come_back_from_means() -> None:
    """The largest sums and every count of a month: no rounding error reaches a half."""
    rng = np.random.default_rng(7)
    sums = rng.integers(-(2**48), 2**48, 200_000)
    counts = rng.integers(1, 350_000, 200_000)
    means = sums.astype(np.float64) / counts.astype(np.float64)
    assert (window_sums(means, counts.astype(np.float64)) == sums).all()
    # Negative control: cut off instead of rounded, many are wrong.
    assert ((means * counts).astype(np.int64) != sums).any()
    with pytest.raises(InexactSumError, match="allowed is less than"):
        window_sums(np.array([2.0**49]), np.array([1.0]))


def test_sums_over_requests() -> None:
    view = DEFINITIONS.view("tail_departures_24h")
    frame = pd.DataFrame(
        {
            "tail_departures_24h_count": pd.array([2, 0, None], dtype="Int64"),
            "tail_departures_24h_sums_dep_delay_sum": pd.array([-7, 0, None], dtype="Int64"),
            "tail_departures_24h_sums_late_sum": pd.array([1, 0, None], dtype="Int64"),
        }
    )
    sums = ViewSums(view, SUM_VIEWS[:1])
    sums.add(frame)
    sums.add(frame)
    assert sums.figures == {
        "sum_of_counts": 4,
        "empty": 4,
        "sum_of_delays": -14,
        "sum_of_late": 2,
    }
    boardings = ViewSums(DEFINITIONS.view("origin_boardings_1h"))
    boardings.add(pd.DataFrame({"origin_boardings_1h_count": [1, 0]}))
    assert boardings.figures == {
        "sum_of_counts": 1,
        "empty": 1,
        "sum_of_delays": None,
        "sum_of_late": None,
    }


def test_the_reference_service_asks_for_everything_once() -> None:
    names = {feature.name for view in reference.views for feature in view.features}
    assert names <= set(reference.features)
    service = DEFINITIONS.service("departure_delay")
    assert reference.features[: len(service.features)] == service.features
