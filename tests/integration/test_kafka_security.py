"""Connections to a broker that lets nobody in without a name, a token or a certificate."""

import gc
import json
import logging
import os
import re
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from certificates import Authority
from flink_streams import PARTITIONS, definitions, random_events, write_log
from secured_kafka import PLAIN_PASSWORD, PLAIN_USER, SecuredKafka
from test_flink_backfill import expected_rows, offline_rows

from streaming.kafka.admin import Admin
from streaming.kafka.client import (
    KafkaUnreachableError,
    build_admin,
    build_group_consumer,
    build_producer,
)
from streaming.kafka.reader import RangeReader
from streaming.kafka.record import OutputRecord
from streaming.kafka.topics import features_topic
from streaming.kafka.writer import TransactionalWriter
from streaming.local.system import environment
from streaming.settings import Settings
from tests.written_topics import create_topics

pytestmark = pytest.mark.kafka

ROOT = Path(__file__).parents[2]
WORKER = Path(__file__).with_name("secured_flink_worker.py")
CANARY = f"canary{uuid.uuid4().hex}"
SCRAM_USER = "scram-user"
# Every character that some language between Python and the client may treat in its own way.
SCRAM_PASSWORD = f"{CANARY}\"\\\\ '$1;${{env:HOME}}={{}}"
CLIENT, CLIENT_SECRET = "client", f"{CANARY}:secret"
TIMEOUT_MS = 4_000
EVENTS = 100
REFUSED_WITHIN_SECONDS = 30

Changes = dict[str, Any]


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredKafka]:
    with SecuredKafka(tmp_path_factory.mktemp("secured")).running() as running:
        running.set_scram_password(SCRAM_USER, SCRAM_PASSWORD)
        yield running


@pytest.fixture(scope="module")
def token_url(broker: SecuredKafka) -> Iterator[str]:
    with broker.issuer.endpoint(CLIENT, CLIENT_SECRET) as url:
        yield url


@pytest.fixture
def scram(broker: SecuredKafka) -> Changes:
    return {
        "bootstrap_servers": broker.address,
        "kafka_security_protocol": "SASL_SSL",
        "kafka_sasl_mechanism": "SCRAM-SHA-512",
        "kafka_username": SCRAM_USER,
        "kafka_password": SCRAM_PASSWORD,
        "kafka_ca_file": broker.authority.ca_file,
    }


@pytest.fixture
def ways(
    broker: SecuredKafka, scram: Changes, token_url: str, tmp_path: Path
) -> dict[str, Changes]:
    """What a client may show to be let in."""
    token_file = tmp_path / "token"
    token_file.write_text(broker.issuer.token("somebody") + "\n")
    certificate_file, key_file = broker.authority.issue("client")
    token = scram | {"kafka_sasl_mechanism": "OAUTHBEARER"}
    nobody = {"kafka_username": None, "kafka_password": None}
    return {
        "scram": scram,
        "plain": scram
        | {
            "kafka_sasl_mechanism": "PLAIN",
            "kafka_username": PLAIN_USER,
            "kafka_password": PLAIN_PASSWORD,
        },
        "token file": token | nobody | {"kafka_token_file": token_file},
        "token endpoint": token
        | {
            "kafka_token_url": token_url,
            "kafka_username": CLIENT,
            "kafka_password": CLIENT_SECRET,
        },
        "certificate": {
            "bootstrap_servers": broker.mutual_address,
            "kafka_security_protocol": "SSL",
            "kafka_ca_file": broker.authority.ca_file,
            "kafka_certificate_file": certificate_file,
            "kafka_key_file": key_file,
        },
    }


@pytest.mark.parametrize("way", ["scram", "plain", "token file", "token endpoint", "certificate"])
def test_every_client_is_let_in_and_tells_no_secret(
    ways: dict[str, Changes], way: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    kafka = Settings(**ways[way]).kafka
    topic = f"topic_{uuid.uuid4().hex[:8]}"
    values = [b"first", b"second"]
    with Admin(kafka) as admin:
        admin.create_topics([topic], 1)
        with TransactionalWriter(kafka, topic) as writer:
            writer.write(OutputRecord(topic=topic, partition=0, key=None, value=values[0]))
            writer.commit()
        with closing(build_producer(kafka)) as producer:
            producer.send(topic, value=values[1]).get(timeout=10)
        ends = admin.end_offsets(topic, "read_committed")
    with closing(RangeReader(kafka)) as reader:
        assert [record.value for record in reader.read(topic, 0, 0, ends[0])] == values
    with closing(build_group_consumer(kafka, f"group.{topic}", "1", 10)) as member:
        member.subscribe([topic])
        found = [record.value for record in _records(member)]
        assert found == values
    assert "kafka.net.manager" in caplog.text
    for secret in (CANARY, PLAIN_PASSWORD, "eyJ"):
        assert secret not in caplog.text


def _records(member: Any) -> list[Any]:
    for _ in range(100):
        if polled := member.poll(timeout_ms=100):
            return [record for records in polled.values() for record in records]
    pytest.fail("the member of the group got no record")


@pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")
@pytest.mark.parametrize(
    ("way", "changed", "told"),
    [
        ("scram", {"kafka_password": CANARY}, r"SaslAuthenticationFailed|user name or password"),
        ("plain", {"kafka_password": CANARY}, r"SaslAuthenticationFailed|user name or password"),
        ("token endpoint", {"kafka_password": CANARY}, r"gave no token: HTTP Error 401"),
        ("token endpoint", {"kafka_token_url": "http://127.0.0.1:1"}, r"gave no token: .*refused"),
        ("scram", {"kafka_ca_file": "other"}, r"certificate verify failed"),
        ("scram", {"bootstrap_servers": "127.0.0.1"}, r"IP address mismatch"),
        ("certificate", {"kafka_certificate_file": None, "kafka_key_file": None}, r"certificate"),
    ],
)
def test_whoever_is_refused_is_told_why_in_one_line(
    ways: dict[str, Changes],
    way: str,
    changed: Changes,
    told: str,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    changes = ways[way] | changed
    if changed.get("kafka_ca_file") == "other":
        changes["kafka_ca_file"] = Authority(tmp_path, "other").ca_file
    if changed.get("bootstrap_servers"):
        changes["bootstrap_servers"] = by_address(ways[way]["bootstrap_servers"])
    message = refusal(Settings(**changes))
    logged = "".join(capfd.readouterr()) + caplog.text
    # kafka-python leaves a socket whose handshake fails to the garbage collector.
    caplog.clear()
    gc.collect()
    assert re.match(rf"Kafka .*cannot connect: .*({told})", message)
    assert "\n" not in message
    assert CANARY not in message + logged


def refusal(settings: Settings) -> str:
    with pytest.raises(KafkaUnreachableError) as error:
        build_admin(settings.kafka, timeout_ms=TIMEOUT_MS)
    return str(error.value)


@pytest.mark.flink
def test_flink_reads_and_writes_and_is_refused_and_nobody_tells_the_password(
    broker: SecuredKafka, scram: Changes, tmp_path: Path
) -> None:
    """Java's client in one JVM: a backfill, a sink, and three jobs that must end with an error."""
    name, user = f"secured_{uuid.uuid4().hex[:8]}", "flink-user"
    broker.set_scram_password(user, SCRAM_PASSWORD)
    password_file = tmp_path / "password"
    password_file.write_text(SCRAM_PASSWORD + "\n")
    certificate_file, key_file = broker.authority.issue("flink")
    own = {
        "kafka_username": user,
        "kafka_password": None,
        "kafka_password_file": password_file,
        "kafka_certificate_file": certificate_file,
        "kafka_key_file": key_file,
    }
    settings = Settings(
        **scram | own, state_dir=tmp_path / "state", partitions=PARTITIONS, flink_heap_mb=512
    )
    defined = definitions(name)
    view = defined.views[2]
    create_topics(settings.kafka, defined, PARTITIONS)
    events = []
    for partition in range(PARTITIONS):
        accepted = list(random_events(partition, EVENTS, seed=1))
        write_log(settings.kafka, defined.sources[0], partition, accepted)
        events += [event for event in accepted if event.get("event_id")]

    told = run_worker(
        settings,
        name,
        {
            "other CA": {"kafka_ca_file": str(Authority(tmp_path, "other").ca_file)},
            "other host": {"bootstrap_servers": by_address(broker.address)},
            "other password": {},
        },
        before_last=lambda: broker.set_scram_password(user, "another"),
    )

    expected = expected_rows(view, events, told["horizon_ms"])
    assert offline_rows(settings.offline_dir, view) == expected
    assert told["rows"] == len(expected) > 0
    with Admin(broker.inside) as admin:
        written = admin.end_offsets(features_topic(view), "read_committed")
    assert sum(written.values()) == len(expected)
    for case, reason in {
        "other CA": "certification path",
        "other host": "127.0.0.1",
        "other password": "SaslAuthenticationException",
    }.items():
        assert re.match(rf"Flink job 'scan' failed: .*{reason}", told[case]["failure"]), case
        assert "\n" not in told[case]["failure"]
        assert told[case]["seconds"] < REFUSED_WITHIN_SECONDS
    assert (
        "sasl.mechanism = SCRAM-SHA-512"
        in (settings.state_dir / "logs" / "backfill" / "flink.log").read_text()
    )
    # The password file shows that the search finds what is there.
    assert telling(tmp_path) == [password_file]


def run_worker(
    settings: Settings, name: str, refused: dict[str, Changes], before_last: Callable[[], None]
) -> dict[str, Any]:
    """Run the jobs in a process of their own; return what it told."""
    output = settings.state_dir / "output"
    output.mkdir(parents=True)
    told: dict[str, Any] = {}
    with (
        (output / "stderr").open("w") as errors,
        (output / "stdout").open("w") as lines,
        subprocess.Popen(
            [sys.executable, str(WORKER), name, json.dumps(refused)],
            env=os.environ | environment(settings) | {"PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as worker,
    ):
        assert worker.stdin
        assert worker.stdout
        for line in worker.stdout:
            lines.write(line)
            values = json.loads(line) if line.startswith("{") else {}
            if "waiting" in values:
                assert not any(CANARY in words for words in command_lines())
                if values["waiting"] == list(refused)[-1]:
                    before_last()
                worker.stdin.write("\n")
                worker.stdin.flush()
            elif "case" in values:
                told[values["case"]] = values
            else:
                told |= values
    assert worker.returncode == 0, (output / "stderr").read_text()[-2000:]
    return told


def telling(directory: Path) -> list[Path]:
    """Files that hold the password, or the start of it."""
    files = [path for path in directory.rglob("*") if path.is_file()]
    return [path for path in files if CANARY.encode() in path.read_bytes()]


def command_lines() -> Iterator[str]:
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            with suppress(OSError):
                yield (process / "cmdline").read_text(errors="replace")


def by_address(server: str) -> str:
    """The same server by a name that its certificate does not have."""
    return server.replace("localhost", "127.0.0.1")
