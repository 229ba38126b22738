"""Which letters to show."""

import hashlib
import heapq
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain

from streaming.kafka.quarantine import Letter
from streaming.quarantine.letters import LetterLog


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What letters have to be like; None allows everything.

    Attributes:
        reason: why they were refused.
        partition: where they are.
        since_ms: when the original was sent at the earliest, milliseconds.
    """

    reason: str | None = None
    partition: int | None = None
    since_ms: int | None = None

    def matches(self, letter: Letter) -> bool:
        """Whether a letter has this reason and time."""
        return (self.reason is None or letter.reason == self.reason) and (
            self.since_ms is None or letter.original.timestamp >= self.since_ms
        )

    def partitions(self, log: LetterLog) -> list[int]:
        """Return where to look."""
        return log.partitions if self.partition is None else [self.partition]


def newest(log: LetterLog, selection: Selection, limit: int) -> list[Letter]:
    """Return the letters that were sent last, of the last ones of each partition."""
    found = [log.newest(p, limit, selection.matches) for p in selection.partitions(log)]
    return sorted(chain(*found), key=_when)[-limit:]


def oldest(log: LetterLog, selection: Selection, limit: int) -> list[Letter]:
    """Return the letters that were sent first, of the first ones of each partition."""
    found = [log.oldest(p, limit, selection.matches) for p in selection.partitions(log)]
    return sorted(chain(*found), key=_when)[:limit]


def sample(log: LetterLog, selection: Selection, number: int) -> list[Letter]:
    """Return some letters of each reason, drawn evenly from the whole topic."""
    letters = chain(*map(log.read, selection.partitions(log)))
    return draw(filter(selection.matches, letters), number)


def draw(letters: Iterable[Letter], number: int) -> list[Letter]:
    """Return up to a number of letters of each reason, by reason and id.

    Those whose id has the smallest hash: the same ones every time, and more letters only push
    some of them out.
    """
    drawn: dict[str, list[tuple[int, Letter]]] = {}
    for letter in letters:
        heap = drawn.setdefault(letter.reason, [])
        # No two ids have the same hash, so letters themselves are never compared.
        heapq.heappush(heap, (-_hash(letter), letter))
        if len(heap) > number:
            heapq.heappop(heap)
    chosen = (letter for heap in drawn.values() for _, letter in heap)
    return sorted(chosen, key=lambda letter: (letter.reason, letter.id))


def _hash(letter: Letter) -> int:
    return int.from_bytes(hashlib.blake2b(str(letter.id).encode(), digest_size=16).digest())


def _when(letter: Letter) -> tuple[int, int, int]:
    return letter.original.timestamp, *letter.id
