"""Conversions between aware datetimes and the integer milliseconds that travel on the wire."""

from datetime import UTC, datetime, timedelta

from features.errors import DefinitionError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)


def to_ms(instant: datetime) -> int:
    """Milliseconds since the epoch of an aware instant; microseconds are cut off downwards."""
    if instant.tzinfo is None:
        msg = f"an instant needs a time zone, got {instant!r}; write datetime(..., tzinfo=UTC)"
        raise DefinitionError(msg)
    return (instant - EPOCH) // MILLISECOND


def from_ms(epoch_ms: int) -> datetime:
    """Return the aware UTC instant of milliseconds since the epoch."""
    return EPOCH + epoch_ms * MILLISECOND


def duration_ms(duration: timedelta) -> int:
    """Whole milliseconds of a duration; a fraction of a millisecond is refused."""
    whole, rest = divmod(duration, MILLISECOND)
    if rest:
        msg = f"a duration must be whole milliseconds, got {duration!r}"
        raise DefinitionError(msg)
    return whole
