"""What `samestream bench scoring` prints."""

from typing import Any

from streaming.bench.processes import goal_word
from streaming.console import Console

# Name, what it says, goal, and whether more is better.
_RATIOS = (
    ("scorer_to_bare_loop", "events/s per core, scorer to bare loop", 0.45, True),
    ("scorer_to_stock_feast", "events/s per core, scorer to one with Feast's reads", 4.0, True),
    ("scorer_to_by_the_docs", "events/s, scorer to Quix Streams + Feast by the docs", None, True),
    ("read_to_raw_pipeline_time", "time of a batch read to a raw pipeline's", 0.6, False),
    ("read_to_feast_read", "rows/s, batch read to Feast's get_online_features", None, True),
    ("write_to_feast_write", "rows/s, batch write to Feast's write_to_online_store", 6.0, True),
    ("scorer_to_bare_predict", "scores/s, stream scorer to the model alone", None, True),
    ("http_to_bare_predict", "scores/s, HTTP to the model alone", None, True),
    ("http_p99_to_p50", "HTTP, one request at a time: p99 to p50", 3.0, False),
)
_GOAL_P99_MS = 25.0
_TURNED_AWAY = 503


def show_report(console: Console, report: dict[str, Any]) -> None:
    """Print the figures of `bench_scoring`."""
    console.say()
    console.table(
        ("median", "events/s", "CPU us/event"),
        [
            (
                name.replace("_", " "),
                f"{figures['events_per_second']:,.0f}",
                f"{figures['cpu_microseconds_per_event']:.1f}",
            )
            for name, figures in report["loops"].items()
        ],
    )
    console.say()
    console.table(
        ("ratio", "found", "goal"),
        [
            (what, f"{report[name]:.2f}", _goal(report[name], goal, more_is_better=more))
            for name, what, goal, more in _RATIOS
        ],
    )
    console.say()
    for line in (*_http_lines(report["http"]), *_latency_lines(report["latency"])):
        console.say(line)


def _http_lines(http: dict[str, Any]) -> list[str]:
    met = goal_word(met=http["half_load_p99_ms"] <= _GOAL_P99_MS)
    statuses = {int(status): count for status, count in http["overload"].items()}
    others = sum(count for status, count in statuses.items() if status not in (200, _TURNED_AWAY))
    return [
        (
            f"HTTP, one request per call, one call at a time: p50 {http['single_p50_ms']:.1f} ms, "
            f"p99 {http['single_p99_ms']:.1f} ms"
        ),
        f"HTTP, 100 requests per call: {http['batch_per_second']:,.0f} requests/s",
        (
            f"HTTP at half load, {http['half_load_per_second']:,.0f} calls/s: "
            f"p99 {http['half_load_p99_ms']:.1f} ms (goal {_GOAL_P99_MS:.0f} ms, {met})"
        ),
        (
            f"HTTP overloaded: {statuses.get(200, 0):,} answered, "
            f"{statuses.get(_TURNED_AWAY, 0):,} turned away with 503, {others} other replies "
            f"(goal 0, {goal_word(met=others == 0)})"
        ),
    ]


def _latency_lines(latency: dict[str, float]) -> list[str]:
    return [
        (
            f"Whole system at {latency['events_per_second']:,.0f} events/s "
            f"({latency['busy_cores']:.1f} cores busy): raw event to prediction "
            f"p50 {latency['p50_ms']:.0f} ms, p99 {latency['p99_ms']:.0f} ms; "
            f"{latency['waited_share']:.1%} of the events waited for a view"
        ),
    ]


def _goal(found: float, goal: float | None, *, more_is_better: bool) -> str:
    if goal is None:
        return ""
    met = found >= goal if more_is_better else found <= goal
    return f"{'at least' if more_is_better else 'at most'} {goal:g}: {goal_word(met=met)}"
