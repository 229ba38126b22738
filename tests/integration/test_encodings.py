"""Producers of every encoding, through the real intake; a real schema registry."""

import io
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import fastavro
import pytest
from certificates import Authority
from encoding_definitions import encoded_source
from pydantic import SecretStr
from registry_gateway import basic, registry_gateway

from features.definitions import load_definitions
from features.source import EventSource
from streaming.intake.counters import intake_counters, intake_group
from streaming.kafka.admin import Admin
from streaming.kafka.avro import AvroCodec
from streaming.kafka.client import build_producer
from streaming.kafka.framing import with_schema_id
from streaming.kafka.producer import EventProducer
from streaming.kafka.reader import RangeReader
from streaming.kafka.registry import RegistryAccess, RegistryError, SchemaRegistry
from streaming.kafka.schemas import event_schema
from streaming.kafka.topics import dead_topic, raw_topic, validated_topic
from streaming.local.jars import ensure_jars
from streaming.local.registry_server import RegistryServer, registry_url
from streaming.local.stack import EmbeddedStack
from streaming.local.state import StateDirectory
from streaming.local.waiting import wait_until
from streaming.settings import Settings
from tests.readme import run_snippet, snippet

pytestmark = pytest.mark.kafka

PATHS = [str(Path(__file__).parent), str(Path(__file__).parents[2])]
TIME_MS = 1_700_000_000_000
SOON = timedelta(seconds=60)


@pytest.fixture(scope="module")
def registry_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryServer]:
    state = StateDirectory(tmp_path_factory.mktemp("registry"))
    state.acquire()
    (archive,) = ensure_jars("registry", Settings().jar_cache)
    server = RegistryServer(state, archive)
    server.start()
    try:
        server.wait_ready()
        yield server
    finally:
        server.stop()
        state.release()


@pytest.fixture(scope="module")
def url(registry_server: RegistryServer) -> str:
    return registry_url(registry_server.state)


@pytest.fixture(scope="module")
def readme_sources(tmp_path_factory: pytest.TempPathFactory, url: str) -> Iterator["Sources"]:
    """Sources on a broker of their own: the README's have the names that other tests use."""
    with EmbeddedStack(StateDirectory(tmp_path_factory.mktemp("readme"))) as stack:
        made = Sources(stack, url)
        yield made
        made.close()


class Sources:
    """Sources of this test, their topics, and what is in them."""

    def __init__(self, stack: EmbeddedStack, url: str) -> None:
        self.url = url
        self.kafka = stack.kafka
        self.admin = Admin(self.kafka)
        self.reader = RangeReader(self.kafka)
        self.names: list[str] = []

    def close(self) -> None:
        self.reader.close()
        self.admin.close()

    def create(self, encoding: Any) -> EventSource:
        source = encoded_source(f"{encoding}_{uuid.uuid4().hex[:8]}", encoding)
        self.names.append(f"{source.name}={encoding}")
        self.admin.create_source_topics(source, 1)
        return source

    def start(self, source: EventSource, **more: str) -> subprocess.Popen[str]:
        settings = {
            "TEST_SOURCES": ",".join(self.names),
            "SAMESTREAM_DEFINITIONS": "encoding_definitions",
            "SAMESTREAM_BOOTSTRAP_SERVERS": self.kafka.bootstrap_servers,
            "SAMESTREAM_PARTITIONS": "1",
            "SAMESTREAM_CLOCK": "replay",
            "SAMESTREAM_REGISTRY_URL": self.url,
            "PYTHONPATH": os.pathsep.join(PATHS),
        }
        return subprocess.Popen(
            [sys.executable, "-m", "streaming.cli", "run", "intake", source.name],
            env={**os.environ, **settings, **more},
            stderr=subprocess.PIPE,
            text=True,
        )

    @contextmanager
    def intake(self, source: EventSource, **more: str) -> Iterator[None]:
        process = self.start(source, **more)
        try:
            yield
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
        finally:
            process.kill()
            process.communicate()

    def run_intake(self, *sources: EventSource, **more: str) -> None:
        """Run their intakes until everything is processed."""
        with ExitStack() as running:
            for source in sources:
                running.enter_context(self.intake(source, **more))
            for source in sources:
                wait_until(self.processed(source), timeout=SOON, what=f"intake of {source.name}")

    def processed(self, source: EventSource) -> Callable[[], bool]:
        def is_processed() -> bool:
            committed = self.admin.committed(intake_group(source), raw_topic(source))
            end = self.admin.end_offsets(raw_topic(source), "read_committed")[0]
            return 0 in committed and committed[0].offset >= end

        return is_processed

    def records(self, topic: str) -> list[Any]:
        end = self.admin.end_offsets(topic, "read_uncommitted")[0]
        return list(self.reader.read(topic, 0, 0, end))

    def events(self, source: EventSource) -> list[dict[str, Any]]:
        codec = AvroCodec(event_schema(source))
        return [codec.decode(record.value) for record in self.records(validated_topic(source))]

    def publish(self, source: EventSource, *values: bytes) -> None:
        producer = build_producer(self.kafka)
        for number, value in enumerate(values):
            producer.send(raw_topic(source), key=str(number).encode(), value=value)
        producer.flush(30)
        producer.close()


@pytest.fixture
def sources(stack: EmbeddedStack, url: str) -> Iterator[Sources]:
    made = Sources(stack, url)
    yield made
    made.close()


def event(number: int) -> dict[str, Any]:
    return {
        "event_id": f"e{number}",
        "event_time_ms": TIME_MS + number,
        "shop": "Zürich",
        "price": None if number == 2 else Decimal(f"-{number}.28"),
    }


def test_every_encoding_gives_the_same_validated_log(sources: Sources) -> None:
    made = [sources.create(encoding) for encoding in ("avro", "confluent", "json")]
    events = [event(number) for number in range(5)]
    with SchemaRegistry(RegistryAccess(url=sources.url)) as registry:
        for source in made:
            with EventProducer(source, sources.kafka, registry) as producer:
                for each in events:
                    producer.send(each)
                producer.heartbeat(TIME_MS + 10, 0)
    sources.run_intake(*made)
    beat = dict.fromkeys(events[0]) | {"event_time_ms": TIME_MS + 10}
    for source in made:
        assert sources.events(source) == [*events, beat]
    logs = [sources.records(validated_topic(source)) for source in made]
    assert len({tuple((record.key, record.value) for record in log) for log in logs}) == 1
    first = [sources.records(raw_topic(source))[0].value for source in made]
    assert [value[:1] for value in first] == [b"\xc3", b"\x00", b"{"]


def test_schemas_of_other_teams_are_read_and_unknown_ones_are_dead_letters(
    sources: Sources,
) -> None:
    source = sources.create("confluent")
    foreign = {
        "type": "record",
        "name": "com.shop.Sale",
        "fields": [
            {"name": "till", "type": "int"},
            {"name": "event_time_ms", "type": "long"},
            {"name": "shop", "type": "string"},
            {"name": "event_id", "type": "string"},
        ],
    }
    useless = {"type": "record", "name": "com.shop.Other", "fields": foreign["fields"][:1]}
    with SchemaRegistry(RegistryAccess(url=sources.url)) as registry:
        subject = f"{raw_topic(source)}-value"
        known = registry.register(subject, foreign)
        assert registry.register(subject, foreign) == known
        other = registry.register(f"{subject}-other", useless)
    values = {key: value for key, value in event(1).items() if key != "price"} | {"till": 7}
    bare = io.BytesIO()
    fastavro.schemaless_writer(bare, fastavro.parse_schema(foreign), values)
    good = with_schema_id(known, bare.getvalue())
    bad = [with_schema_id(999_999, bare.getvalue()), with_schema_id(other, b"\x0e"), good + b"\0"]
    sources.publish(source, good, *bad)
    sources.run_intake(source)

    assert sources.events(source) == [event(1) | {"price": None}]
    letters = sources.records(dead_topic(source))
    assert [letter.value for letter in letters] == bad
    assert [dict(letter.headers)["__connect.errors.reason"] for letter in letters] == [
        b"unknown_schema",
        b"incompatible_schema",
        b"undecodable",
    ]
    assert intake_counters(sources.kafka, source)["dead"] == 3  # type: ignore[index]


def test_without_its_registry_intake_stops_and_loses_nothing(
    sources: Sources, registry_server: RegistryServer
) -> None:
    source = sources.create("confluent")
    with (
        SchemaRegistry(RegistryAccess(url=sources.url)) as registry,
        EventProducer(source, sources.kafka, registry) as producer,
    ):
        producer.send(event(1))
    registry_server.process.group.send(signal.SIGKILL)
    registry_server.stop()

    process = sources.start(source)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert errors.splitlines()[-1].startswith(f"samestream: schema registry {sources.url}: ")
    assert not sources.records(validated_topic(source))
    assert not sources.records(dead_topic(source))

    registry_server.start()
    registry_server.wait_ready()
    sources.run_intake(source)
    assert sources.events(source) == [event(1)]


def test_a_source_that_needs_a_registry_says_so(sources: Sources) -> None:
    source = sources.create("confluent")
    process = sources.start(source, SAMESTREAM_REGISTRY_URL="")
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "needs a schema registry; set SAMESTREAM_REGISTRY_URL" in errors.splitlines()[-1]


@pytest.mark.parametrize(
    ("number", "definitions", "name"),
    [
        (0, "features.examples.flights", "boardings"),
        (1, "features.examples.flights", "boardings"),
        (2, "features.examples.payments", "logins"),
    ],
)
def test_the_readme_shows_how_to_publish(
    readme_sources: Sources, number: int, definitions: str, name: str
) -> None:
    sources = readme_sources
    source = load_definitions(definitions).source(name)
    sources.admin.create_source_topics(source, 1)
    before = len(sources.events(source))
    code = snippet("Publish events", number)
    run_snippet(code, **{"127.0.0.1:9092": sources.kafka.bootstrap_servers})
    sources.run_intake(source, SAMESTREAM_DEFINITIONS=definitions)
    found = sources.events(source)[before:]
    assert [each["event_id"] for each in found if each["event_id"]] == [event_id_of(code)]
    assert not sources.records(dead_topic(source))


def event_id_of(code: str) -> str:
    return code.split('"event_id": "')[1].split('"', maxsplit=1)[0]


def test_authentication_and_tls(url: str, tmp_path: Path) -> None:
    ours, others = Authority(tmp_path, "ours"), Authority(tmp_path, "others")
    upstream = url.removesuffix("/apis/ccompat/v7")
    allowed = {basic("ann", "s3cret"), "Bearer t0ken"}
    key = SecretStr("s3cret")

    def ids(gateway: str, **access: Any) -> Any:
        address = f"{gateway}/apis/ccompat/v7"
        with SchemaRegistry(RegistryAccess(url=address, **access)) as registry:
            return registry.schema(999_999)

    with registry_gateway(upstream, allowed, ours.issue("localhost")) as gateway:
        trusted = {"ca_file": ours.ca_file}
        assert ids(gateway, username="ann", password=key, **trusted) is None
        assert ids(gateway, token=SecretStr("t0ken"), **trusted) is None
        for wrong in ({}, {"token": key}, {"username": "bob", "password": key}):
            with pytest.raises(RegistryError, match="got status 401") as refused:
                ids(gateway, **wrong, **trusted)
            assert "s3cret" not in str(refused.value)
        with pytest.raises(RegistryError, match="CERTIFICATE_VERIFY_FAILED"):
            ids(gateway, token=SecretStr("t0ken"), ca_file=others.ca_file)
    with (
        registry_gateway(upstream, allowed, ours.issue("elsewhere")) as gateway,
        pytest.raises(RegistryError, match="certificate is not valid for 'localhost'"),
    ):
        ids(gateway, token=SecretStr("t0ken"), **trusted)
    with registry_gateway(upstream, allowed, ours.issue("localhost"), ours.ca_file) as gateway:
        certificate, private = ours.issue("client")
        own = {"certificate_file": certificate, "key_file": private}
        assert ids(gateway, token=SecretStr("t0ken"), **own, **trusted) is None
        with pytest.raises(RegistryError):
            ids(gateway, token=SecretStr("t0ken"), **trusted)
