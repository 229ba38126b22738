"""Names of the tables and views of a job.

Names of definitions hold no double underscore, so no name of theirs can be one of these.
"""

from features.source import EventSource
from features.view import FeatureView

PROGRESS = "all__progress"

MOVE_TIME = "move__time"
MOVE_TIME_MS = "move__time_ms"
MOVE_SIGN = "move__sign"
SLICE_TIME = "slice__time"
WINDOW_END_MS = "window_end_ms"


def enter_table(source: EventSource) -> str:
    """Scan of the events of a source at their event time."""
    return f"{source.name}__enter"


def leave_table(source: EventSource, size_ms: int) -> str:
    """Scan of the same events, one window size later."""
    return f"{source.name}__leave_{size_ms}"


def moves_view(view: FeatureView) -> str:
    """Every event twice: when it enters a window and when it leaves."""
    return f"{view.name}__moves"


def slices_view(view: FeatureView) -> str:
    """The moves of one entity within one slide, merged."""
    return f"{view.name}__slices"


def distinct_view(view: FeatureView, value: str) -> str:
    """Slices in which a value of a column of moves is new for an entity or leaves it for good."""
    return f"{view.name}__{value}"


def parts_view(view: FeatureView) -> str:
    """Slices of moves and of distinct values, several for one entity and slide."""
    return f"{view.name}__parts"


def all_slices_view(view: FeatureView) -> str:
    """Slices of moves and of distinct values, merged."""
    return f"{view.name}__all_slices"


def changes_view(view: FeatureView) -> str:
    """The rows of a view, and a row with null keys for the heartbeats."""
    return f"{view.name}__changes"


def rows_table(view: FeatureView) -> str:
    """Sink of the feature rows of a view."""
    return f"{view.name}__rows"


def history_table(view: FeatureView) -> str:
    """Sink of the offline rows of a view."""
    return f"{view.name}__history"
