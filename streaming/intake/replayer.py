"""Replays history as a producer would publish it, at a multiple of its own speed."""

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Self

from features.definitions import Definitions
from features.errors import SamestreamError
from streaming.intake.event_order import Event
from streaming.intake.timeline import Moment, timeline
from streaming.kafka.admin import Admin
from streaming.kafka.connection import KafkaConnection
from streaming.kafka.producer import EventProducer
from streaming.kafka.topics import raw_topic
from streaming.settings import Settings

# An event waits at most this long in the producer before it is flushed.
_FLUSH_SECONDS = 0.02


class ReplaySpeedError(SamestreamError, ValueError):
    """A replay speed that is not positive."""


@dataclass(frozen=True, kw_only=True)
class ReplayReport:
    """What a replay published.

    Attributes:
        events: events published, of all sources.
        heartbeats: instants at which every partition of a source got a heartbeat.
        seconds: wall time of the replay.
        speed: event time that passed per wall time, tail included.
        behind_seconds: how far the replay fell behind its pace at most.
    """

    events: int
    heartbeats: int
    seconds: float
    speed: float
    behind_seconds: float


def replay(
    settings: Settings,
    definitions: Definitions,
    events: Mapping[str, Iterable[Event]],
    *,
    start_ms: int,
    speed: float,
    progress: Callable[[int], None] | None = None,
) -> ReplayReport:
    """Publish events and heartbeats to the raw topics in the order of event time.

    Args:
        settings: where Kafka is.
        definitions: every source gets heartbeats, also one without events.
        events: events by the name of their source, in the order of (event time, event id).
        start_ms: where the imported history ended; event time `start_ms` is published at once.
        speed: seconds of event time per second of wall time.
        progress: called after each flush with the event time that was reached, milliseconds.

    Raises:
        EventOrderError: the events of a source are out of order.
        PublishError: the broker did not confirm everything.
    """
    if speed <= 0:
        msg = f"replay speed: got {speed}; allowed is more than 0"
        raise ReplaySpeedError(msg)
    pace = _Pace(start_ms, speed)
    event_count = heartbeat_count = 0
    time_ms = start_ms
    with _Publisher(settings.kafka, definitions) as publisher:
        for moment in timeline(definitions, events, start_ms):
            if pace.seconds_until(moment.time_ms) > 0 or publisher.is_due:
                publisher.flush()
                if progress is not None:
                    progress(time_ms)
                pace.wait_until(moment.time_ms)
            publisher.publish(moment)
            event_count += moment.event is not None
            heartbeat_count += moment.event is None
            time_ms = moment.time_ms
    return ReplayReport(
        events=event_count,
        heartbeats=heartbeat_count,
        seconds=pace.elapsed_seconds,
        speed=(time_ms - start_ms) / 1000 / pace.elapsed_seconds,
        behind_seconds=pace.behind_seconds,
    )


class _Publisher:
    """One producer for each source; a series of heartbeats lies between two flushes."""

    def __init__(self, kafka: KafkaConnection, definitions: Definitions) -> None:
        topics = {source.name: raw_topic(source) for source in definitions.sources}
        with Admin(kafka) as admin:
            partitions = admin.partitions(topics.values())
        self._partitions = {name: partitions[topic] for name, topic in topics.items()}
        self._stack = ExitStack()
        self._producers = {
            source.name: self._stack.enter_context(EventProducer(source, kafka))
            for source in definitions.sources
        }
        self._unflushed: set[str] = set()
        self._unflushed_events = False
        self._flushed_at = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.__exit__(*error)  # type: ignore[arg-type]

    @property
    def is_due(self) -> bool:
        """Whether events have waited long enough for a flush."""
        return time.monotonic() - self._flushed_at >= _FLUSH_SECONDS

    def publish(self, moment: Moment) -> None:
        """Publish an event, or a heartbeat to every partition once all events are confirmed."""
        name = moment.source.name
        producer = self._producers[name]
        if moment.event is not None:
            producer.send(moment.event)
            self._unflushed_events = True
        else:
            if self._unflushed_events:
                self.flush()
            for partition in self._partitions[name]:
                producer.heartbeat(moment.time_ms, partition)
        self._unflushed.add(name)

    def flush(self) -> None:
        """Return when the broker has confirmed everything."""
        for name in self._unflushed:
            self._producers[name].flush()
        self._unflushed.clear()
        self._unflushed_events = False
        self._flushed_at = time.monotonic()


class _Pace:
    """The wall clock against which event time runs `speed` times as fast."""

    def __init__(self, start_ms: int, speed: float) -> None:
        self._start_ms = start_ms
        self._speed = speed
        self._started_at = time.monotonic()
        self.behind_seconds = 0.0

    @property
    def elapsed_seconds(self) -> float:
        """Wall time since the start."""
        return time.monotonic() - self._started_at

    def seconds_until(self, event_time_ms: int) -> float:
        """Wall time until an event time is due; negative when it is overdue."""
        due = (event_time_ms - self._start_ms) / 1000 / self._speed
        ahead = due - self.elapsed_seconds
        self.behind_seconds = max(self.behind_seconds, -ahead)
        return ahead

    def wait_until(self, event_time_ms: int) -> None:
        """Return when an event time is due."""
        time.sleep(max(0.0, self.seconds_until(event_time_ms)))
