"""Damaged payloads: refused with a reason, or accepted as exactly what they say."""

import itertools
import json
import random
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal as Number
from typing import Any

import pytest
from intake_logs import START_MS, IntakeLogs
from intake_process import Intake
from payloads import Case, cases, damaged

from features.validation import InvalidEventError
from streaming.intake.raw import RawEvents
from streaming.kafka.framing import UndecodableError
from streaming.kafka.quarantine import Letter, read_letter
from streaming.kafka.topics import dead_topic, validated_topic
from streaming.local.stack import EmbeddedStack
from streaming.local.waiting import wait_until

CASES = cases()


@pytest.mark.parametrize("name", CASES)
def test_valid_payloads_are_accepted(name: str) -> None:
    case, rng = CASES[name], random.Random(1)
    for _ in range(200):
        assert faults(case, case.make(rng)) == []


@pytest.mark.parametrize("name", CASES)
def test_damaged_payloads(name: str, pytestconfig: pytest.Config) -> None:
    count = pytestconfig.getoption("--fuzz-payloads") // len(CASES)
    case = CASES[name]
    refused = 0
    for payload in itertools.islice(damaged(random.Random(name), case.make), count):
        found = faults(case, payload)
        if found == ["refused"]:
            refused += 1
            continue
        assert found == [], payload.hex()
    assert count / 4 < refused < count


def faults(case: Case, payload: bytes) -> list[str]:
    """What is wrong with the answer to a payload; exceptions but the two allowed ones escape."""
    try:
        event = case.raw.event(payload)
    except (UndecodableError, InvalidEventError) as error:
        return ["refused"] if str(error) and error.reason else ["refused without a reason"]
    values = case.log.decode(event.content)
    found = []
    if case.log.encode(values) != event.content:
        found.append("the log has another encoding")
    if (values["event_id"], values["event_time_ms"]) != (event.event_id, event.event_time_ms):
        found.append("id or time differ")
    if case.source.encoding == "json" and not same_as_json(values, payload):
        found.append("the values differ from the JSON")
    if case.own.event(case.log.encode_single_object(values)) != event:
        found.append("what was accepted is not accepted again")
    return found


def same_as_json(values: dict[str, Any], payload: bytes) -> bool:
    said = json.loads(payload, parse_float=Number)
    for name, value in values.items():
        found = said.get(name)
        if name == "price" and found is not None:
            found = Number(found)
        elif name == "weight" and found is not None:
            found = float(found)
        if found != value:
            return False
    return True


@pytest.mark.kafka
def test_bad_among_good_through_the_broker(stack: EmbeddedStack) -> None:
    """10,000 dead letters, byte for byte, and 50,000 events in order."""
    logs, rng = IntakeLogs(stack.kafka, 2), random.Random(5)
    bad_payloads = bad(rng, logs)
    sent: dict[int, tuple[list[Any], list[Any]]] = {0: ([], []), 1: ([], [])}
    kinds = [True] * 50_000 + [False] * 10_000
    rng.shuffle(kinds)
    for number, is_good in enumerate(kinds):
        partition = rng.randrange(2)
        event = {"event_id": f"e{number}", "event_time_ms": START_MS + number}
        event |= {"item": "a", "amount": 1}
        value = (
            logs.avro.encode_single_object({**event, "amount": 1})
            if is_good
            else next(bad_payloads)
        )
        record = {
            "key": rng.randbytes(4),
            "value": value,
            "headers": [("trace", rng.randbytes(8))] if number % 3 else [],
            "timestamp_ms": START_MS + rng.randrange(10**9),
        }
        logs.publish(partition, **record)
        sent[partition][0 if is_good else 1].append(record)
    logs.producer.flush(120)
    intake = Intake(settings=logs.settings("replay"), source=logs.source.name).start()
    wait_until(logs.processed, timeout=timedelta(seconds=120), what="intake")
    intake.terminate()
    intake.join(30)
    for partition, (good, dead) in sent.items():
        log = logs.records(validated_topic(logs.source), partition)
        assert [(record.key, record.value) for record in log] == [
            (record["key"], record["value"][10:]) for record in good
        ]
        letters = [read_letter(one) for one in logs.records(dead_topic(logs.source), partition)]
        assert [original(letter) for letter in letters] == dead
    assert sum(len(dead) for _, dead in sent.values()) == 10_000
    logs.close()


def bad(rng: random.Random, logs: IntakeLogs) -> Iterator[bytes]:
    """Without end: payloads that are no valid event of the source."""
    event = {"event_id": "x", "event_time_ms": START_MS, "item": "a", "amount": 1}
    good, raw = logs.avro.encode_single_object(event), RawEvents(logs.source)
    for payload in damaged(rng, lambda _: good):
        try:
            raw.event(payload)
        except (UndecodableError, InvalidEventError):
            yield payload


def original(letter: Letter) -> dict[str, Any]:
    record = letter.original
    return {
        "key": record.key,
        "value": record.value,
        "headers": record.headers,
        "timestamp_ms": record.timestamp,
    }
