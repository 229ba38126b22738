"""The values of an event that was not accepted."""

from typing import Any

from streaming.intake.raw import RawEvents
from streaming.kafka.framing import UndecodableError
from streaming.kafka.quarantine import Letter


def letter_values(raw: RawEvents, letter: Letter) -> dict[str, Any] | None:
    """Return the values of the event, allowed or not; None if it does not decode.

    Args:
        raw: decodes the raw records of its source.
        letter: what became of the event.
    """
    try:
        return raw.values(letter.original.value)
    except UndecodableError:
        return None
