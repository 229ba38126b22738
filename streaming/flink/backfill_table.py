"""How fast a backfill was, as the commands show it."""

from collections.abc import Iterable, Mapping

from features.view import FeatureView
from streaming.console import Console


def show_speed(
    console: Console,
    views: Iterable[FeatureView],
    rows: Mapping[str, int],
    events: Mapping[str, int],
    seconds: float,
) -> None:
    """Print a line per feature view and one for all of them.

    Args:
        console: where to.
        views: what was computed.
        rows: number of rows by view.
        events: number of events read by source.
        seconds: what all views took together, in one job.
    """
    console.table(
        ("feature view", "rows", "rows/s", "events/s"),
        [
            (
                view.name,
                f"{rows[view.name]:,}",
                f"{rows[view.name] / seconds:,.0f}",
                f"{events[view.source.name] / seconds:,.0f}",
            )
            for view in views
        ],
    )
    read, written = sum(events.values()), sum(rows.values())
    console.say()
    console.say(
        f"{read:,} events ({read / seconds:,.0f}/s), {written:,} rows ({written / seconds:,.0f}/s) "
        f"of {len(rows)} views in {seconds:.1f} s"
    )
