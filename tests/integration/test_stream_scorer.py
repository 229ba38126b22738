"""The stream scorer on a real broker, with a real store that stops, pauses and comes back."""

import signal
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pandas as pd
import pytest

from feature_repo.online_store import connect
from feature_repo.reader import OnlineReader
from feature_repo.writer import InputSlice, OnlineWriter, ProgressStep, RowStep
from features.aggregation import Count
from features.entity import Entity
from features.fields import Bool, Field, String
from features.fingerprint import view_fingerprint
from features.service import FeatureService, Label, StorePolicy
from features.source import EventSource
from features.view import FeatureView
from features.window import SlidingWindow
from models.booster import load_booster
from models.loading import Model
from models.online import OnlineScorer
from models.scorer import Scorer
from models.train import train
from streaming.kafka.admin import Admin
from streaming.kafka.avro import AvroCodec
from streaming.kafka.client import build_producer
from streaming.kafka.loop import ExactlyOnceLoop
from streaming.kafka.quarantine import read_letter
from streaming.kafka.reader import RangeReader
from streaming.kafka.schemas import event_schema, prediction_schema
from streaming.kafka.topics import predictions_dead_topic, predictions_topic, validated_topic
from streaming.local.stack import EmbeddedStack
from streaming.local.state import StateDirectory
from streaming.local.valkey_server import ValkeyServer
from streaming.local.waiting import wait_until
from streaming.scoring.counters import Tally, scorer_counts, scorer_group
from streaming.scoring.process import ScoringProcessor

pytestmark = [pytest.mark.kafka, pytest.mark.valkey]

SLIDE_MS = 1_000
NOW_MS = 1_700_000_000_000
SOON = timedelta(seconds=40)
ITEMS = ("ü", "b")
CODEC = AvroCodec(prediction_schema())


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    state = StateDirectory(tmp_path_factory.mktemp("valkey"))
    state.acquire()
    server = ValkeyServer(state)
    server.start()
    try:
        server.wait_ready()
        yield server
    finally:
        server.process.group.send(signal.SIGCONT)
        server.stop()
        state.release()


def make_service(**policies: Any) -> FeatureService:
    name = f"scored_{uuid.uuid4().hex[:8]}"
    fields = (Field(name="item", type=String(), nullable=True), Field(name="bad", type=Bool()))
    source = EventSource(name=name, fields=fields, lateness=timedelta(minutes=1))
    second = timedelta(milliseconds=SLIDE_MS)
    view = FeatureView(
        name=f"{name}_10s",
        source=source,
        entity=Entity(name="item", join_keys=("item",)),
        window=SlidingWindow(size=10 * second, slide=second),
        aggregations=(Count(),),
    )
    return FeatureService(
        name=name,
        request=source,
        views=(view,),
        on_demand=(),
        features=(view.features[0].name,),
        label=Label(source=source, column="bad"),
        **policies,
    )


def make_scorer(service: FeatureService) -> Scorer:
    (count,) = service.features
    frame = pd.DataFrame(
        {
            "event_id": [f"t{number}" for number in range(600)],
            "event_time_ms": [NOW_MS + number for number in range(600)],
            count: [number % 7 for number in range(600)],
            "label": [number % 7 > 3 or number % 11 == 0 for number in range(600)],
        }
    )
    trained = train(service, frame, split_ms=NOW_MS + 400, nthread=1)
    booster = load_booster(trained.booster, nthread=1)
    return Scorer(service, Model(version="1", manifest=trained.manifest, booster=booster))


class Running:
    """A scorer in a thread, its store, and what went in and came out."""

    def __init__(
        self, stack: EmbeddedStack, valkey: ValkeyServer, service: FeatureService, wait: float
    ) -> None:
        self.kafka = stack.kafka
        self.service = service
        self.view = service.views[0]
        project = service.name
        self._writer = OnlineWriter(
            connect(valkey.address), project=project, views=[self.view], ring_slides=5
        )
        self._offsets: dict[str, int] = {}
        with Admin(self.kafka) as admin:
            topics = (validated_topic(service.request), predictions_topic(service))
            admin.create_topics([*topics, predictions_dead_topic(service)], 2)
        self.stop = threading.Event()
        reader = OnlineReader(
            connect(valkey.address, timeout_seconds=0.3), project=project, views=[self.view]
        )
        processor = ScoringProcessor(
            service=service,
            online=OnlineScorer(service, reader, max_wait_seconds=wait, stop=self.stop),
            scorer=make_scorer(service),
            stop=self.stop,
        )
        self._loop = ExactlyOnceLoop(
            kafka=self.kafka,
            topic=topics[0],
            group=scorer_group(service),
            instance="0",
            processor=processor,
            batch_records=5,
        )
        self._thread = threading.Thread(target=lambda: self._loop.run(self.stop))
        self._events = AvroCodec(event_schema(service.request))
        self._producer = build_producer(self.kafka)
        self._sent = 0

    @contextmanager
    def started(self) -> Iterator["Running"]:
        self._thread.start()
        try:
            yield self
        finally:
            self.stop.set()
            self._thread.join(30)
            self._producer.close()
            assert not self._thread.is_alive()

    def complete(self, seconds: int, counts: dict[str, int]) -> None:
        """Write the rows of a window end and the progress that completes it."""
        (count,) = self.service.features
        end = self.view.as_of(NOW_MS) + seconds * SLIDE_MS
        rows = [{"item": item, "window_end_ms": end, count: n} for item, n in counts.items()]
        progress = {
            "view": self.view.name,
            "fingerprint": view_fingerprint(self.view),
            "window_end_ms": end,
            "row_count": len(rows),
        }
        steps: list[Any] = [ProgressStep(records=[progress], source=self._slice("progress", 1))]
        if rows:
            source = self._slice(self.view.name, len(rows))
            steps.insert(0, RowStep(view=self.view, rows=rows, source=source))
        self._writer.apply(steps)

    def ask(self, *items: str | None, seconds: int = 0) -> None:
        for item in items:
            self._sent += 1
            event = {
                "event_id": f"r{self._sent}",
                "event_time_ms": NOW_MS + seconds * SLIDE_MS,
                "item": item,
                "bad": None,
            }
            self._producer.send(
                validated_topic(self.service.request),
                key=b"k",
                value=self._events.encode(event),
                partition=self._sent % 2,
            )
        self._producer.flush(20)

    def predictions(self) -> list[dict[str, Any]]:
        """Every committed prediction, in the order of the requests."""
        found = self._records(predictions_topic(self.service))
        decoded = (CODEC.decode(CODEC.bare(record.value)) for record in found)
        return sorted(decoded, key=lambda prediction: int(prediction["event_id"][1:]))

    def letters(self) -> list[Any]:
        return [read_letter(each) for each in self._records(predictions_dead_topic(self.service))]

    def wait_for(self, number: int, what: Callable[[], list[Any]]) -> list[Any]:
        wait_until(lambda: len(what()) >= number, timeout=SOON, what=f"{number} answers")
        found = what()
        assert len(found) == number
        return found

    def _records(self, topic: str) -> list[Any]:
        reader = RangeReader(self.kafka)
        try:
            with Admin(self.kafka) as admin:
                ends = admin.end_offsets(topic, "read_committed")
            return [each for at, end in ends.items() for each in reader.read(topic, at, 0, end)]
        finally:
            reader.close()

    def _slice(self, topic: str, length: int) -> InputSlice:
        first = self._offsets.get(topic, 0)
        self._offsets[topic] = first + length
        return InputSlice(topic=topic, partition=0, first_offset=first, next_offset=first + length)


def marks(predictions: list[dict[str, Any]]) -> list[str | None]:
    return [prediction["views"][0]["mark"] for prediction in predictions]


def vectors(predictions: list[dict[str, Any]]) -> list[float | None]:
    values = [prediction["vector"][0] for prediction in predictions]
    return [None if value != value else value for value in values]


def test_what_is_not_known_is_null_marked_and_counted(
    stack: EmbeddedStack, valkey: ValkeyServer
) -> None:
    with Running(stack, valkey, make_service(), wait=20.0).started() as running:
        running.complete(0, {"ü": 3, "b": 4})
        running.ask("ü", "never seen", None, "b")
        found = running.wait_for(4, running.predictions)

        assert vectors(found) == [3, None, None, 4]
        assert marks(found) == [None, "UNKNOWN", "UNKNOWN", None]
        end = running.view.as_of(NOW_MS)
        assert [each["views"][0]["window_end_ms"] for each in found] == [end, None, None, end]
        counts = scorer_counts(running.kafka, running.service)
        assert {tally: n for tally, n in counts.items() if n} == {
            Tally.PREDICTIONS: 4,
            Tally.UNKNOWN: 2,
        }


def test_a_request_waits_for_its_view_and_is_then_exact(
    stack: EmbeddedStack, valkey: ValkeyServer
) -> None:
    with Running(stack, valkey, make_service(), wait=20.0).started() as running:
        running.complete(0, {"ü": 3})
        running.ask("ü")
        running.wait_for(1, running.predictions)
        running.ask("ü", seconds=1)
        running.ask("ü", seconds=0)
        # Later rows are not for these requests.
        running.complete(1, {"ü": 5})
        running.complete(2, {"ü": 6})

        found = running.wait_for(3, running.predictions)
        assert vectors(found) == [3, 5, 3]
        assert marks(found) == [None] * 3
        counts = scorer_counts(running.kafka, running.service)
        assert counts[Tally.PREDICTIONS] == 3
        assert counts[Tally.STALE] == 0


def test_a_stale_view_is_marked_and_beyond_the_limit_refused(
    stack: EmbeddedStack, valkey: ValkeyServer
) -> None:
    service = make_service(max_staleness=timedelta(seconds=2))
    with Running(stack, valkey, service, wait=0.05).started() as running:
        running.complete(0, {"ü": 3})
        running.ask("ü", seconds=2)
        assert marks(running.wait_for(1, running.predictions)) == ["STALE"]
        running.ask("ü", seconds=3)
        (letter,) = running.wait_for(1, running.letters)

        assert (letter.stage, letter.reason) == ("score", "stale")
        assert "3000 ms behind" in letter.detail
        assert "allows 0:00:02" in letter.detail
        assert AvroCodec(event_schema(service.request)).decode(letter.original.value)["item"] == "ü"
        counts = scorer_counts(running.kafka, service)
        assert (counts[Tally.STALE], counts[Tally.REFUSED], counts[Tally.WAITED]) == (1, 1, 2)
        assert counts[Tally.PREDICTIONS] == 1


@pytest.mark.parametrize("trouble", ["paused", "killed"])
def test_the_policy_to_wait_loses_nothing(
    stack: EmbeddedStack,
    valkey: ValkeyServer,
    trouble: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with Running(stack, valkey, make_service(), wait=20.0).started() as running:
        running.complete(0, {"ü": 3, "b": 4})
        running.ask(*ITEMS)
        running.wait_for(2, running.predictions)
        if trouble == "paused":
            valkey.process.group.send(signal.SIGSTOP)
        else:
            valkey.process.group.send(signal.SIGKILL)
            valkey.stop()
        running.ask(*ITEMS * 10)
        wait_until(lambda: "waits: online store" in caplog.text, timeout=SOON, what="a warning")
        assert len(running.predictions()) == 2
        if trouble == "paused":
            valkey.process.group.send(signal.SIGCONT)
        else:
            valkey.start()
            valkey.wait_ready()

        found = running.wait_for(22, running.predictions)
        assert vectors(found) == [3, 4] * 11
        assert marks(found) == [None] * 22


def test_the_policy_to_degrade_answers_with_nulls_and_says_so(
    stack: EmbeddedStack, valkey: ValkeyServer
) -> None:
    service = make_service(store_policy=StorePolicy.DEGRADE)
    with Running(stack, valkey, service, wait=20.0).started() as running:
        running.complete(0, {"ü": 3, "b": 4})
        running.ask(*ITEMS)
        running.wait_for(2, running.predictions)
        valkey.process.group.send(signal.SIGSTOP)
        running.ask(*ITEMS)
        try:
            running.wait_for(4, running.predictions)
        finally:
            valkey.process.group.send(signal.SIGCONT)
        running.ask(*ITEMS)

        found = running.wait_for(6, running.predictions)
        assert vectors(found) == [3, 4, None, None, 3, 4]
        assert marks(found) == [None, None, "DEGRADED", "DEGRADED", None, None]
        assert scorer_counts(running.kafka, service)[Tally.DEGRADED] == 2


def test_a_policy_is_no_part_of_what_a_service_means() -> None:
    from features.fingerprint import service_fingerprint

    service = make_service()
    other = replace(service, store_policy=StorePolicy.DEGRADE, max_staleness=timedelta(seconds=1))
    assert service_fingerprint(service) == service_fingerprint(other)
