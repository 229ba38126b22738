"""Verdicts on single predictions: bits, receipts, marks."""

from typing import Any

import numpy as np
import pytest

from features.examples.flights.definitions import departure_delay as service
from streaming.audit.verdict import Judgement, Verdict, judge

REQUEST_MS = 1_388_400_000_000
REQUEST = {"event_id": "UA1", "event_time_ms": REQUEST_MS}
SCORE = np.float32(0.25)


def vector() -> np.ndarray[Any, np.dtype[np.float64]]:
    values = np.arange(len(service.features), dtype=np.float64)
    values[0] = np.nan
    return values


def prediction(**changes: Any) -> dict[str, Any]:
    marks = changes.pop("marks", {})
    return {
        **REQUEST,
        "score": float(SCORE),
        "decision": False,
        "vector": vector().tolist(),
        "views": [
            {
                "view": view.name,
                "as_of_ms": view.as_of(REQUEST_MS),
                "window_end_ms": None,
                "mark": marks.get(view.name),
            }
            for view in service.views
        ],
        **changes,
    }


def changed(name: str, value: float) -> list[float]:
    values = vector()
    values[service.features.index(name)] = value
    return values.tolist()


def verdict(served: dict[str, Any], rescored: np.float32 = SCORE) -> Judgement:
    return judge(service, REQUEST, served, vector(), rescored, decision=False)


def test_equal_bits_are_exact_also_when_marked() -> None:
    assert verdict(prediction()).verdict is Verdict.EXACT
    assert verdict(prediction(marks={"route_30d": "STALE"})).verdict is Verdict.EXACT


def test_a_difference_of_one_bit_is_unexplained() -> None:
    value = vector()[service.features.index("route_30d_count")]
    served = prediction(vector=changed("route_30d_count", float(np.nextafter(value, 99))))
    assert verdict(served).verdict is Verdict.UNEXPLAINED
    assert "route_30d_count" in verdict(served).reason


@pytest.mark.parametrize(("mark", "view"), [("STALE", "route_30d"), ("AHEAD", "route_30d")])
def test_a_mark_on_the_view_explains_its_features(mark: str, view: str) -> None:
    served = prediction(vector=changed("route_30d_count", -1.0), marks={view: mark})
    assert verdict(served) == Judgement(verdict=Verdict.EXPLAINED, reason=mark)


def test_that_an_entity_was_unknown_explains_nothing() -> None:
    served = prediction(vector=changed("route_30d_count", -1.0), marks={"route_30d": "UNKNOWN"})
    assert verdict(served).verdict is Verdict.UNEXPLAINED


@pytest.mark.parametrize(
    ("mark", "expected"), [("AHEAD", Verdict.EXPLAINED), (None, Verdict.UNEXPLAINED)]
)
def test_the_log_may_say_infinity_where_null_was_served(
    mark: str | None, expected: Verdict
) -> None:
    recomputed = vector()
    recomputed[service.features.index("route_30d_count")] = np.inf
    served = prediction(
        vector=changed("route_30d_count", np.nan), marks={"route_30d": mark} if mark else {}
    )
    found = judge(service, REQUEST, served, recomputed, SCORE, decision=False)
    assert found.verdict is expected


def test_a_mark_on_another_view_explains_nothing() -> None:
    served = prediction(vector=changed("route_30d_count", -1.0), marks={"tail_30d": "STALE"})
    assert verdict(served).verdict is Verdict.UNEXPLAINED


def test_a_mark_explains_on_demand_features_behind_the_view() -> None:
    served = prediction(
        vector=changed("origin_backlog", -1.0), marks={"origin_boardings_4h": "STALE"}
    )
    assert verdict(served).verdict is Verdict.EXPLAINED


def test_a_null_served_for_a_value_is_a_difference() -> None:
    served = prediction(vector=changed("route_30d_count", float("nan")))
    assert verdict(served).verdict is Verdict.UNEXPLAINED


@pytest.mark.parametrize(
    "change",
    [
        {"score": float(np.nextafter(SCORE, np.float32(1)))},
        {"decision": True},
        {"vector": [1.0]},
        {"views": []},
        {"event_time_ms": REQUEST_MS + 86_400_000},
        {"event_id": "UA2"},
    ],
    ids=["score", "decision", "length", "receipts", "time", "id"],
)
def test_everything_else_must_agree_as_well(change: dict[str, Any]) -> None:
    assert verdict(prediction(**change)).verdict is Verdict.UNEXPLAINED
