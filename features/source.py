"""An event source: one stream of events, as producers publish it."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Literal, get_args

from features.errors import DefinitionError
from features.fields import Field, TimestampMs, check_name
from features.instant import duration_ms, to_ms

EVENT_ID = "event_id"
EVENT_TIME_MS = "event_time_ms"
EVENT_TIME = Field(name="event_time", type=TimestampMs())

# The engine separates packed values by U+0001.
_CONTROL = re.compile("[\x00-\x1f]")

_RESERVED = (
    EVENT_ID,
    EVENT_TIME_MS,
    EVENT_TIME.name,
    "window_end",
    "window_end_ms",
    "event_timestamp",
    "label",
)

_LONGEST_EVENT_ID = 255
EVENT_ID_ALLOWED = f"text of 1 to {_LONGEST_EVENT_ID} characters, none of them below U+0020"

# How producers publish the events of a source: Avro single-object encoding, Avro as the clients of
# a Confluent Schema Registry frame it, or JSON.
Encoding = Literal["avro", "confluent", "json"]
_ENCODINGS: tuple[Encoding, ...] = get_args(Encoding)


def is_event_id(text: str) -> bool:
    """Whether a text can be an event id, see `EVENT_ID_ALLOWED`."""
    return 0 < len(text) <= _LONGEST_EVENT_ID and not _CONTROL.search(text)


@dataclass(frozen=True, kw_only=True)
class EventSource:
    """One stream of events.

    Every event also has an `event_id` (text, unique within the source) and an event time; the
    latter can be used as the column `event_time`.

    Attributes:
        name: Kafka topic of the validated log.
        fields: payload columns.
        lateness: how far behind the newest event of its partition an event may arrive.
        max_clock_skew: how far ahead of the wall clock an event may lie.
        earliest: instant before which there are no events, so that an event time in seconds is
            refused rather than taken for one in 1970.
        encoding: how producers publish the events.
        max_event_bytes: largest value of a raw record that intake looks into.
    """

    name: str
    fields: tuple[Field, ...]
    lateness: timedelta
    max_clock_skew: timedelta = timedelta(seconds=30)
    earliest: datetime = datetime(2000, 1, 1, tzinfo=UTC)
    encoding: Encoding = "avro"
    max_event_bytes: int = 65_536

    def __post_init__(self) -> None:
        check_name("event source", self.name)
        names = [field.name for field in self.fields]
        for name in names:
            if name in _RESERVED:
                msg = f"source {self.name!r}: field name {name!r} is reserved; choose another name"
                raise DefinitionError(msg)
            if names.count(name) > 1:
                msg = f"source {self.name!r}: got the field name {name!r} twice; names are unique"
                raise DefinitionError(msg)
        self._check_aliases(names)
        if self.lateness_ms < 1:
            msg = f"source {self.name!r}: got lateness {self.lateness}; allowed is at least 1 ms"
            raise DefinitionError(msg)
        if not timedelta(0) < self.max_clock_skew < self.lateness:
            msg = (
                f"source {self.name!r}: got max_clock_skew {self.max_clock_skew}; allowed is "
                f"more than 0 and less than the lateness {self.lateness}"
            )
            raise DefinitionError(msg)
        if self.earliest.tzinfo is None or self.earliest_ms < 0:
            msg = (
                f"source {self.name!r}: got earliest {self.earliest!r}; allowed is an aware "
                "datetime of 1970 or later"
            )
            raise DefinitionError(msg)
        if self.encoding not in _ENCODINGS:
            msg = (
                f"source {self.name!r}: got the encoding {self.encoding!r}; allowed are "
                f"{', '.join(_ENCODINGS)}"
            )
            raise DefinitionError(msg)
        if self.max_event_bytes < 1:
            msg = (
                f"source {self.name!r}: got max_event_bytes {self.max_event_bytes}; allowed is "
                "at least 1"
            )
            raise DefinitionError(msg)

    def _check_aliases(self, names: list[str]) -> None:
        taken = [*_RESERVED, *names]
        for field in self.fields:
            for alias in field.aliases:
                if alias in taken:
                    msg = (
                        f"source {self.name!r}: got the alias {alias!r} of field {field.name!r}; "
                        "allowed is a name that no field has and no other alias"
                    )
                    raise DefinitionError(msg)
                taken.append(alias)

    @cached_property
    def lateness_ms(self) -> int:
        """Lateness in milliseconds."""
        return duration_ms(self.lateness)

    @cached_property
    def max_clock_skew_ms(self) -> int:
        """Allowed clock skew in milliseconds."""
        return duration_ms(self.max_clock_skew)

    @cached_property
    def earliest_ms(self) -> int:
        """Smallest event time that is allowed, milliseconds."""
        return to_ms(self.earliest)

    def column(self, name: str) -> Field:
        """Return the payload field, or `event_time`, of that name."""
        for field in (*self.fields, EVENT_TIME):
            if field.name == name:
                return field
        allowed = ", ".join(field.name for field in (*self.fields, EVENT_TIME))
        msg = f"source {self.name!r}: got column {name!r}; allowed are {allowed}"
        raise DefinitionError(msg)
