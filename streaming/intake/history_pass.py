"""One pass over history: what importing it writes, in order, whatever is there already."""

import json
from collections import Counter, deque
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

from features.source import EVENT_ID, EVENT_TIME_MS, EventSource
from streaming.intake.codec import EventCodec
from streaming.intake.event_order import Event, EventOrderError, in_order
from streaming.intake.gate import Outcome, PartitionState
from streaming.intake.heartbeats import closing_heartbeats
from streaming.intake.rules import IntakeRules
from streaming.kafka.partitioning import key_partition
from streaming.kafka.record import OutputRecord
from streaming.kafka.topics import validated_topic

_FORGET_EVERY = 1_000


@dataclass(kw_only=True, slots=True)
class _HistoryRecord:
    """Stands for the raw record of an event; the offset is its place in the history."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None = b""
    headers: list[tuple[str, bytes | None]] = field(default_factory=list)


class HistoryPass:
    """Applies the rules of intake to sorted history, from an empty log on.

    Args:
        source: whose history it is.
        slides_ms: slides of the views over the source.
        partitions: number of partitions of the log.
        end_ms: end of the history, exclusive, milliseconds; None if more may belong to it, so that
            no heartbeat closes it.
        now_ms: the wall clock, milliseconds.
    """

    def __init__(
        self,
        *,
        source: EventSource,
        slides_ms: Collection[int],
        partitions: int,
        end_ms: int | None,
        now_ms: int,
    ) -> None:
        self._source = source
        self._end_ms = end_ms
        self._now_ms = now_ms
        self._heartbeats = (
            [] if end_ms is None else closing_heartbeats(slides_ms, source.lateness_ms, end_ms)
        )
        self._log = validated_topic(source)
        self._codec = EventCodec(source)
        self._rules = IntakeRules(source, "replay")
        self._states = [PartitionState(source.lateness_ms) for _ in range(partitions)]

    @property
    def counters(self) -> Counter[Outcome]:
        """Events of each outcome so far."""
        total: Counter[Outcome] = Counter()
        for state in self._states:
            total.update(state.counters)
        return total

    def records(self, events: Iterable[Event]) -> Iterator[OutputRecord]:
        """Yield what is written: events, dead letters and the heartbeats that close the history.

        A heartbeat at h comes after every event before h, so none is late.

        Raises:
            EventOrderError: an event is before its predecessor, or not before the end.
        """
        due = deque(self._heartbeats)
        for offset, event in enumerate(in_order(self._source, events)):
            time_ms = event.get(EVENT_TIME_MS)
            if isinstance(time_ms, int):
                if self._end_ms is not None and time_ms >= self._end_ms:
                    msg = (
                        f"history of {self._source.name}: got event time {time_ms}; allowed is "
                        f"before its end {self._end_ms}"
                    )
                    raise EventOrderError(msg)
                while due and due[0] <= time_ms:
                    yield from self._series(due.popleft())
            record = self._record(offset, event)
            state = self._states[record.partition]
            output = self._rules.judge(state, record, self._codec.from_values, event, self._now_ms)
            if output is not None and output.topic != self._log:
                # There never were bytes to keep, so a dead letter keeps the values as JSON.
                output = output._replace(value=json.dumps(event, default=repr).encode())
            if output is not None:
                yield output
            if offset % _FORGET_EVERY == 0:
                for each in self._states:
                    each.commit()
        for instant_ms in due:
            yield from self._series(instant_ms)

    def _series(self, instant_ms: int) -> Iterator[OutputRecord]:
        for partition, state in enumerate(self._states):
            yield self._rules.heartbeat(state, partition, instant_ms)

    def _record(self, offset: int, event: Event) -> _HistoryRecord:
        event_id = event.get(EVENT_ID)
        key = None if event_id is None else str(event_id).encode(errors="surrogatepass")
        return _HistoryRecord(
            topic=f"{self._source.name}.history",
            partition=0 if key is None else key_partition(key, len(self._states)),
            offset=offset,
            timestamp=self._now_ms,
            key=key,
        )
