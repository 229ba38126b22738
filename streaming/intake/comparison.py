"""What a log already holds of the records that are to be written to it."""

from collections.abc import Iterable, Iterator, Mapping

from features.errors import SamestreamError
from streaming.kafka.record import OutputRecord, Record


class ImportConflictError(SamestreamError, ValueError):
    """A validated log that already holds something else than the history to import."""


class LogComparison:
    """Compares a pass over history with the log, record by record.

    Transactions hold records in the order of the pass and never end on a dead letter. So what an
    earlier run committed is a beginning of the pass, over all partitions, and the dead letters
    within it were committed too.

    Args:
        topic: the validated log; other topics of the pass are not compared.
        held: committed records of each partition, from its first one on.
    """

    def __init__(self, topic: str, held: Mapping[int, Iterator[Record]]) -> None:
        self._topic = topic
        self._held = held
        self.found = 0

    def missing(self, records: Iterable[OutputRecord]) -> Iterator[OutputRecord]:
        """Yield the records that the log does not hold yet.

        A log that holds all of them may go on with others.

        Raises:
            ImportConflictError: the log holds something else.
        """
        remaining = iter(records)
        dead_letters: list[OutputRecord] = []
        for record in remaining:
            if record.topic != self._topic:
                dead_letters.append(record)
                continue
            held = None if record.partition is None else next(self._held[record.partition], None)
            if held is None:
                self._require_nothing_more(record)
                yield from dead_letters
                yield record
                break
            if (held.key, held.value) != (record.key, record.value):
                raise _conflict(held, f"other bytes than {_shown(record.key)} of the history")
            self.found += 1
            dead_letters.clear()
        yield from remaining

    def _require_nothing_more(self, record: OutputRecord) -> None:
        for held in self._held.values():
            more = next(held, None)
            if more is not None:
                raise _conflict(more, f"the history has {_shown(record.key)} before it")


def _conflict(held: Record, found: str) -> ImportConflictError:
    return ImportConflictError(
        f"log {held.topic}, partition {held.partition}, offset {held.offset}: got "
        f"{_shown(held.key)}, {found}; allowed is an empty log, or one that holds this history: "
        "other history needs a new log"
    )


def _shown(key: bytes | None) -> str:
    return "a heartbeat" if key is None else f"event {key.decode(errors='replace')}"
