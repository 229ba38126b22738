"""Which part of the year the demonstration imports, learns from and replays, in which heap."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from features.errors import SamestreamError
from features.instant import to_ms
from streaming.settings import Settings

_NEW_YORK = ZoneInfo("America/New_York")

# The bounded job over the whole year takes three minutes with 1700 MB, more than twelve with 1024.
# Three months need no more; with it, everything together stays below 4 GiB.
_QUARTER_FLINK_HEAP_MB = 1024


class PlanError(SamestreamError, ValueError):
    """Ranges of time that do not follow each other."""


@dataclass(frozen=True, kw_only=True)
class DemoPlan:
    """Ranges of event time, half-open; aware instants.

    Attributes:
        history_from: first event that is imported.
        test_from: the model learns from the requests before, and is judged on those after.
        replay_from: end of the imported history; the events from here on are replayed.
        replay_until: end of the replay.
        speed: seconds of event time per second of replay.
    """

    history_from: datetime
    test_from: datetime
    replay_from: datetime
    replay_until: datetime
    speed: float

    def __post_init__(self) -> None:
        order = (self.history_from, self.test_from, self.replay_from, self.replay_until)
        if sorted(set(order)) != list(order):
            msg = f"demo: got {', '.join(map(str, order))}; allowed are instants that ascend"
            raise PlanError(msg)

    @property
    def ms(self) -> Mapping[str, int]:
        """Each instant in milliseconds since the epoch, by its name."""
        names = ("history_from", "test_from", "replay_from", "replay_until")
        return {name: to_ms(getattr(self, name)) for name in names}


def new_york(year: int, month: int, day: int, hour: int = 0) -> datetime:
    """Return an instant on the clock of New York."""
    return datetime(year, month, day, hour, tzinfo=_NEW_YORK)


def flights_plan(*, whole_year: bool, speed: float) -> DemoPlan:
    """Return the plan of `samestream demo`: the last two days of 2013 are replayed."""
    return DemoPlan(
        history_from=new_york(2013, 1, 1) if whole_year else new_york(2013, 10, 1),
        test_from=new_york(2013, 12, 9),
        replay_from=new_york(2013, 12, 30),
        # Flights of 31 December are in the air until the next morning.
        replay_until=new_york(2014, 1, 1, 12),
        speed=speed,
    )


def demo_settings(state_dir: Path, *, whole_year: bool) -> Settings:
    """Return the settings of the demonstration; without the whole year, a smaller heap will do."""
    settings = Settings(state_dir=state_dir.absolute())
    if whole_year or "flink_heap_mb" in settings.model_fields_set:
        return settings
    return settings.model_copy(update={"flink_heap_mb": _QUARTER_FLINK_HEAP_MB})
