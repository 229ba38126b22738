"""The figures that an independent implementation measured, with pandas and DuckDB."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Figures = Mapping[str, Mapping[str, Any]]

EVENTS = {"arrivals": 327_346, "boardings": 336_776, "departures": 328_521}
TRAINING_ROWS = 274_376
TEST_ROWS = 54_145

_SUMS = ("sum_of_counts", "empty", "sum_of_delays", "sum_of_late")
_VIEWS: dict[str, tuple[int | None, ...]] = {
    "carrier_30d": (1_088_257_961, 770, 13_905_532_177, 235_876_757),
    "route_30d": (97_503_729, 896, 1_098_016_198, 19_027_635),
    "tail_30d": (4_760_095, 10_247, 59_202_735, 1_031_945),
    "origin_departures_1h": (5_587_500, 15_550, 45_735_191, 990_716),
    "origin_departures_3h": (15_198_970, 14_835, 114_387_942, 2_579_371),
    "carrier_departures_3h": (5_696_221, 28_126, 45_026_513, 990_482),
    "dest_departures_3h": (1_190_605, 71_058, 7_605_539, 182_486),
    "origin_boardings_1h": (6_200_914, 1_999, None, None),
    "origin_boardings_4h": (22_065_466, 1_779, None, None),
    "tail_departures_24h": (250_866, 164_257, 3_040_041, None),
}
_TOLERANCES = {
    "auc": 0.003,
    "ap": 0.005,
    "log_loss": 0.002,
    "brier": 0.001,
    "precision_at_5": 0.015,
}
_METRICS = {
    "on_demand": (0.6706, 0.3343, 0.4867, 0.1573, 0.426),
    "batch": (0.6902, 0.3542, 0.4821, 0.1555, 0.458),
    "streaming": (0.7727, 0.5537, 0.4212, 0.1317, 0.800),
    "all": (0.7749, 0.5563, 0.4203, 0.1313, 0.800),
}
_AUC_AT_LEAST = 0.770
_AP_AT_LEAST = 0.545
_AUC_ABOVE_BATCH = 0.07


@dataclass(frozen=True, kw_only=True)
class Check:
    """One figure, measured and given.

    Attributes:
        name: what it is.
        given: as given; text, with the rule that it is compared by.
        measured: as measured.
        passed: whether the rule holds.
    """

    name: str
    given: str
    measured: str
    passed: bool


def checks(report: Mapping[str, Any]) -> list[Check]:
    """Compare a report (see `streaming.reference.run`) with every figure that is given."""
    metrics = report["metrics"]
    return [
        *(
            _exact(f"{name} events", given, report["events"][name])
            for name, given in EVENTS.items()
        ),
        _exact("training rows", TRAINING_ROWS, report["training_rows"]),
        _exact("test rows", TEST_ROWS, report["test_rows"]),
        *view_checks(report["views"]),
        *(
            _close(f"{name} {metric}", given, metrics[name][metric], _TOLERANCES[metric])
            for name, figures in _METRICS.items()
            for metric, given in zip(_TOLERANCES, figures, strict=True)
        ),
        _at_least("all auc, required", _AUC_AT_LEAST, metrics["all"]["auc"]),
        _at_least("all ap, required", _AP_AT_LEAST, metrics["all"]["ap"]),
        _at_least(
            "all auc above batch", _AUC_ABOVE_BATCH, metrics["all"]["auc"] - metrics["batch"]["auc"]
        ),
    ]


def view_checks(views: Figures) -> list[Check]:
    """Compare the sums over the fetched values of the views; they must be equal."""
    return [
        _exact(f"{name} {what}", given, views[name][what])
        for name, figures in _VIEWS.items()
        for what, given in zip(_SUMS, figures, strict=True)
        if given is not None
    ]


def _exact(name: str, given: int, measured: int) -> Check:
    return Check(name=name, given=f"{given:,}", measured=f"{measured:,}", passed=measured == given)


def _close(name: str, given: float, measured: float, tolerance: float) -> Check:
    return Check(
        name=name,
        given=f"{given:.4f} +- {tolerance}",
        measured=f"{measured:.4f}",
        passed=abs(measured - given) <= tolerance,
    )


def _at_least(name: str, bound: float, measured: float) -> Check:
    return Check(
        name=name, given=f">= {bound}", measured=f"{measured:.4f}", passed=measured >= bound
    )
