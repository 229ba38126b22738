"""Following topics from known positions, without a group: the reader keeps its positions."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from kafka import TopicPartition
from kafka.errors import OffsetOutOfRangeError

from features.errors import SamestreamError
from streaming.kafka.client import build_follower
from streaming.kafka.connection import KafkaConnection


class PositionLostError(SamestreamError, LookupError):
    """A position that the log does not have, so records were deleted or the log is another one."""


@dataclass(frozen=True, kw_only=True)
class Slice:
    """Consecutive records of a partition.

    Attributes:
        first_offset: where the slice begins, which is where the one before it ended.
        next_offset: where the next slice begins.
        values: of the records, in order; offsets without a record leave no gap.
    """

    topic: str
    partition: int
    first_offset: int
    next_offset: int
    values: list[bytes]


class LogFollower:
    """Reads partitions from their positions on."""

    def __init__(
        self, kafka: KafkaConnection, positions: Mapping[tuple[str, int], int], *, start_over: str
    ) -> None:
        """Connect and seek.

        Args:
            kafka: the cluster.
            positions: next offset by topic and partition.
            start_over: what to do when a position is lost, to complete the sentence "... to start
                over".
        """
        self._start_over = start_over
        self._positions = {TopicPartition(*at): offset for at, offset in positions.items()}
        self._consumer = build_follower(kafka)
        self._consumer.assign(list(self._positions))
        for at, offset in self._positions.items():
            self._consumer.seek(at, offset)

    def close(self) -> None:
        """Close the connections."""
        self._consumer.close()

    def poll(self, timeout_ms: int, without: Collection[tuple[str, int]] = ()) -> list[Slice]:
        """Return what there is, at most one slice of a partition; wait if there is nothing.

        Args:
            timeout_ms: how long to wait.
            without: partitions that shall wait this time.

        Raises:
            PositionLostError: A position is before the start or after the end of its log.
        """
        paused = [TopicPartition(*at) for at in without]
        self._consumer.resume(*self._consumer.paused().difference(paused))
        self._consumer.pause(*paused)
        try:
            polled = self._consumer.poll(timeout_ms)
        except OffsetOutOfRangeError as error:
            msg = (
                f"the log no longer has the position to continue from ({error}): records were "
                f"deleted, or the log was created anew; {self._start_over} to start over"
            )
            raise PositionLostError(msg) from error
        slices = []
        for at, records in polled.items():
            first_offset, next_offset = self._positions[at], records[-1].offset + 1
            self._positions[at] = next_offset
            slices.append(
                Slice(
                    topic=at.topic,
                    partition=at.partition,
                    first_offset=first_offset,
                    next_offset=next_offset,
                    values=[record.value for record in records],
                )
            )
        return slices
