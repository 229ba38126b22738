"""The letters of one source in its late or dead topic."""

from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Literal, Self

from features.errors import SamestreamError
from features.source import EventSource
from streaming.kafka.admin import Admin
from streaming.kafka.connection import KafkaConnection
from streaming.kafka.quarantine import Letter, LetterId, read_letter
from streaming.kafka.reader import RangeReader
from streaming.kafka.topics import dead_topic, late_topic

Kind = Literal["late", "dead"]

_TOPICS: dict[Kind, Callable[[EventSource], str]] = {"late": late_topic, "dead": dead_topic}
_FIRST_CHUNK = 200
_GROWTH = 4


class LetterNotFoundError(SamestreamError, LookupError):
    """A letter, or a partition of letters, that is not there."""


class LetterLog:
    """The letters that are there when it is opened; a context manager."""

    def __init__(self, kafka: KafkaConnection, source: EventSource, kind: Kind) -> None:
        self.topic = _TOPICS[kind](source)
        with Admin(kafka) as admin:
            # The high watermark: a letter that is being committed is waited for.
            self._ends = admin.end_offsets(self.topic, "read_uncommitted")
        self._reader = RangeReader(kafka)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._reader.close()

    @property
    def partitions(self) -> list[int]:
        """Partitions of the topic."""
        return sorted(self._ends)

    def read(self, partition: int) -> Iterator[Letter]:
        """Yield the letters of a partition, oldest first; one reading at a time."""
        return self._between(partition, 0, self._end(partition))

    def oldest(self, partition: int, limit: int, wanted: Callable[[Letter], bool]) -> list[Letter]:
        """Return the first wanted letters of a partition, oldest first."""
        return list(islice(filter(wanted, self.read(partition)), limit))

    def newest(self, partition: int, limit: int, wanted: Callable[[Letter], bool]) -> list[Letter]:
        """Return the last wanted letters of a partition, oldest first, read from its end."""
        found: list[Letter] = []
        stop, size = self._end(partition), _FIRST_CHUNK
        while stop > 0 and len(found) < limit:
            start = max(0, stop - size)
            letters = filter(wanted, self._between(partition, start, stop))
            found = [*deque(letters, maxlen=limit - len(found)), *found]
            stop, size = start, size * _GROWTH
        return found

    def letter(self, letter_id: str) -> Letter:
        """Return one letter by its id.

        Raises:
            LetterNotFoundError: it is no id, or no letter has it.
        """
        partition, _, offset = letter_id.partition(":")
        if not (partition.isdecimal() and offset.isdecimal()):
            msg = f"{self.topic}: got the id {letter_id!r}; allowed is PARTITION:OFFSET"
            raise LetterNotFoundError(msg)
        at = LetterId(int(partition), int(offset))
        end = self._end(at.partition)
        for letter in self._between(at.partition, at.offset, min(at.offset + 1, end)):
            return letter
        msg = (
            f"{self.topic}: got the id {letter_id}, where no letter is; allowed are those that "
            f"`list` shows, in partition {at.partition} below offset {end}"
        )
        raise LetterNotFoundError(msg)

    def _end(self, partition: int) -> int:
        if partition not in self._ends:
            allowed = ", ".join(map(str, self.partitions))
            msg = f"{self.topic}: got partition {partition}; allowed are {allowed}"
            raise LetterNotFoundError(msg)
        return self._ends[partition]

    def _between(self, partition: int, start: int, end: int) -> Iterator[Letter]:
        return map(read_letter, self._reader.read(self.topic, partition, start, end))
