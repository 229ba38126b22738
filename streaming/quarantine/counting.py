"""How many letters there are, by reason, and whether intake counted as many."""

from collections import Counter
from dataclasses import dataclass

from features.source import EventSource
from streaming.intake.counters import intake_counters
from streaming.intake.gate import Outcome
from streaming.kafka.connection import KafkaConnection
from streaming.kafka.topics import raw_topic
from streaming.quarantine.letters import Kind, LetterLog

_OUTCOMES: dict[Kind, Outcome] = {"late": Outcome.LATE, "dead": Outcome.DEAD}


@dataclass(frozen=True, kw_only=True)
class LetterCount:
    """The letters of one topic.

    Attributes:
        partitions: of the topic.
        letters: number by (reason, stage, partition).
        imported: how many of them are of imported history, which never was in the raw topic.
        counted_before: raw records that intake had counted before the letters were read.
        counted_after: the same, afterwards; intake may go on meanwhile.
    """

    partitions: list[int]
    letters: Counter[tuple[str, str, int]]
    imported: int
    counted_before: int
    counted_after: int

    @property
    def from_raw(self) -> int:
        """Letters whose original is in the raw topic."""
        return self.letters.total() - self.imported

    @property
    def agrees(self) -> bool:
        """Whether there are as many letters as intake has counted."""
        return self.counted_before <= self.from_raw <= self.counted_after


def count_letters(kafka: KafkaConnection, source: EventSource, kind: Kind) -> LetterCount:
    """Read all letters and count them."""

    def counted() -> int:
        return intake_counters(kafka, source)[_OUTCOMES[kind]]

    counted_before = counted()
    letters: Counter[tuple[str, str, int]] = Counter()
    imported = 0
    with LetterLog(kafka, source, kind) as log:
        for partition in log.partitions:
            for letter in log.read(partition):
                letters[letter.reason, letter.stage, partition] += 1
                imported += letter.original.topic != raw_topic(source)
    return LetterCount(
        partitions=log.partitions,
        letters=letters,
        imported=imported,
        counted_before=counted_before,
        counted_after=counted(),
    )
