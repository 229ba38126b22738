"""The embedded stack with its real servers: started, killed, started again, stopped."""

import signal
import socket
from pathlib import Path

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient, NewTopic

from streaming.local.process_group import ProcessGroup
from streaming.local.shutdown import recorded_groups
from streaming.local.stack import EmbeddedStack
from streaming.local.state import StateDirectory

pytestmark = [pytest.mark.kafka, pytest.mark.valkey]

TOPIC = "survivors"


def call_valkey(stack: EmbeddedStack, command: str) -> bytes:
    host, port = stack.redis_address.split(":")
    with socket.create_connection((host, int(port)), timeout=5) as peer:
        peer.sendall(f"{command}\r\n".encode())
        return peer.recv(1024)


def topics(stack: EmbeddedStack) -> list[str]:
    admin = KafkaAdminClient(bootstrap_servers=stack.bootstrap_servers)
    try:
        return sorted(admin.list_topics())
    finally:
        admin.close()


def write_event(stack: EmbeddedStack) -> None:
    admin = KafkaAdminClient(bootstrap_servers=stack.bootstrap_servers)
    try:
        admin.create_topics([NewTopic(TOPIC, num_partitions=1, replication_factor=1)])
    finally:
        admin.close()
    producer = KafkaProducer(bootstrap_servers=stack.bootstrap_servers, acks="all")
    try:
        producer.send(TOPIC, key=b"key", value=b"value").get(timeout=10)
    finally:
        producer.close()


def read_event(stack: EmbeddedStack) -> tuple[bytes, bytes]:
    consumer = KafkaConsumer(
        bootstrap_servers=stack.bootstrap_servers,
        group_id=None,
        auto_offset_reset="earliest",
        consumer_timeout_ms=10_000,
    )
    try:
        consumer.assign([TopicPartition(TOPIC, 0)])
        record = next(consumer)
        return record.key, record.value
    finally:
        consumer.close()


def test_both_servers_answer_and_nothing_else_is_there(stack: EmbeddedStack) -> None:
    assert stack.bootstrap_servers.startswith("127.0.0.1:")
    assert call_valkey(stack, "PING") == b"+PONG\r\n"
    assert isinstance(topics(stack), list)
    status = {process.name: process for process in stack.status()}
    assert set(status) >= {"kafka", "valkey"}
    assert all(process.alive for process in status.values())
    assert status["kafka"].resident_bytes < 1024**3


def test_what_was_acknowledged_survives_a_kill_of_everything(tmp_path: Path) -> None:
    killed = EmbeddedStack(StateDirectory(tmp_path))
    killed.start()
    write_event(killed)
    assert call_valkey(killed, "SET key value") == b"+OK\r\n"
    addresses = (killed.bootstrap_servers, killed.redis_address)
    for name in ("guardian", "kafka", "valkey"):
        ProcessGroup(killed.state.pid_path(name)).send(signal.SIGKILL)
    killed.state.release()

    with EmbeddedStack(StateDirectory(tmp_path)) as again:
        assert (again.bootstrap_servers, again.redis_address) == addresses
        assert read_event(again) == (b"key", b"value")
        assert call_valkey(again, "GET key") == b"$5\r\nvalue\r\n"
        groups = recorded_groups(again.state.pids)
        pids = [pid for group in groups for pid in group.members()]
        assert len(pids) == 2
    assert not any(group.members() for group in groups)
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)

    empty = EmbeddedStack(StateDirectory(tmp_path))
    empty.reset()
    assert not empty.state.kafka_data.exists()
    empty.stop()
    # Only now: it reaps the killed processes, whose parent is this one.
    killed.stop()
