"""`samestream late` and `samestream dead` on what a real intake refused."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from intake_worker import LATENESS_MS, PARTITIONS
from quarantine_definitions import quarantine_definitions
from test_intake import ROOT, START_MS, Rig
from typer.testing import CliRunner

from features.definitions import Definitions
from features.errors import DefinitionError
from features.fingerprint import view_fingerprint
from streaming.cli import app
from streaming.kafka.admin import TopicError
from streaming.kafka.avro import AvroCodec
from streaming.kafka.quarantine import quarantined
from streaming.kafka.record import OutputRecord
from streaming.kafka.schemas import prediction_schema
from streaming.kafka.topics import dead_topic, predictions_topic, raw_topic
from streaming.kafka.writer import TransactionalWriter
from streaming.local.stack import EmbeddedStack
from streaming.quarantine.command import OptionError
from streaming.quarantine.letters import LetterNotFoundError
from streaming.quarantine.requeue import REQUEUED_FROM

pytestmark = pytest.mark.kafka

NARROW, WIDE = 10, 1_000
TOO_BIG = 11
YEAR_2100_MS = 4_102_444_800_000
WORKER = Path(__file__).with_name("requeue_worker.py")


class OperatedRig(Rig):
    """A source whose intake runs by the definitions of one of two modules, and the command line."""

    def __init__(self, stack: EmbeddedStack, modules: Path) -> None:
        super().__init__(stack.kafka)
        self._state = stack.state.root
        self._modules = modules
        self._json = modules / f"{self.source.name}.json"
        for largest_amount in (NARROW, WIDE):
            (modules / f"{self.module(largest_amount)}.py").write_text(
                "from quarantine_definitions import quarantine_definitions\n"
                f"DEFINITIONS = quarantine_definitions({self.source.name!r}, {largest_amount})\n"
            )
        self.largest_amount = NARROW

    def module(self, largest_amount: int) -> str:
        return f"{self.source.name}_{largest_amount}"

    @property
    def definitions(self) -> Definitions:
        return quarantine_definitions(self.source.name, self.largest_amount)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "SAMESTREAM_DEFINITIONS": self.module(self.largest_amount),
            "SAMESTREAM_BOOTSTRAP_SERVERS": self.kafka.bootstrap_servers,
            "SAMESTREAM_PARTITIONS": str(PARTITIONS),
            "SAMESTREAM_CLOCK": "replay",
        }

    def process(self, *command: object) -> subprocess.Popen[bytes]:
        paths = [ROOT, Path(__file__).parent, self._modules]
        environment = self.environment | {"PYTHONPATH": os.pathsep.join(map(str, paths))}
        return subprocess.Popen(
            [sys.executable, *map(str, command)], env={**os.environ, **environment}
        )

    def start(self, clock: str = "replay") -> subprocess.Popen[bytes]:
        assert clock == "replay"
        return self.process("-m", "streaming.cli", "run", "intake", self.source.name)

    def judge_all(self, largest_amount: int) -> None:
        self.largest_amount = largest_amount
        with self.intake():
            self.wait_until_done()

    def command(self, *words: str) -> Result:
        kind, verb, *more = words
        arguments = [kind, verb, self.source.name, *more, "--state", str(self._state)]
        return CliRunner().invoke(
            app, [*arguments, "--json", str(self._json)], env=self.environment
        )

    def report(self, *words: str, exit_code: int = 0) -> Any:
        done = self.command(*words)
        assert done.exit_code == exit_code, (done.output, done.exception)
        return json.loads(self._json.read_text())

    def listed(self, *words: str) -> list[Any]:
        return self.report(*words)["letters"]  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        path = tmp_path_factory.mktemp("definitions")
        patch.syspath_prepend(str(path))
        yield path


@pytest.fixture(scope="module")
def refused(stack: EmbeddedStack, modules: Path) -> Iterator[OperatedRig]:
    """A source of which intake has refused something for every reason; only to be looked at."""
    with closing(OperatedRig(stack, modules)) as rig:
        rig.event(START_MS + 2 * LATENESS_MS, "newest")
        rig.event(START_MS, "late")
        rig.event(START_MS + 2 * LATENESS_MS, "newest", amount=2)
        rig.event(START_MS + 2 * LATENESS_MS, "big", amount=TOO_BIG)
        rig.event(YEAR_2100_MS, "early")
        rig.raw(b"\x00\x1b[31m", key=b"\xfe", headers=[("trace", b"\xfd")], timestamp_ms=77)
        for n in range(6):
            rig.event(START_MS + n, f"big {n}", amount=TOO_BIG, partition=1)
        rig.judge_all(NARROW)
        yield rig


@pytest.fixture
def rig(stack: EmbeddedStack, modules: Path) -> Iterator[OperatedRig]:
    with closing(OperatedRig(stack, modules)) as made:
        yield made


def test_counts_agree_with_those_of_intake(refused: OperatedRig) -> None:
    late, dead = refused.report("late", "count"), refused.report("dead", "count")
    assert (late["total"], late["counted_by_intake"], late["agrees"]) == (1, 1, True)
    assert (dead["total"], dead["counted_by_intake"], dead["agrees"]) == (10, 10, True)
    assert refused.counters()["dead"] == 10
    numbers = {(each["reason"], each["stage"]): 0 for each in dead["letters"]}
    for each in dead["letters"]:
        numbers[each["reason"], each["stage"]] += each["count"]
    assert numbers == {
        ("conflicting", "identity"): 1,
        ("invalid", "validate"): 7,
        ("too_early", "time"): 1,
        ("undecodable", "decode"): 1,
    }


def test_a_letter_that_intake_did_not_count_is_noticed(rig: OperatedRig) -> None:
    rig.raw(b"x")
    rig.producer.flush(30)
    (record,) = rig.records(raw_topic(rig.source))
    letter = quarantined(record, dead_topic(rig.source), stage="s", reason="r", detail="d")
    with TransactionalWriter(rig.kafka, "test") as writer:
        writer.write(letter)
        writer.commit()
    counted = rig.report("dead", "count", exit_code=1)
    assert (counted["from_raw"], counted["counted_by_intake"], counted["agrees"]) == (1, 0, False)


def test_letters_are_listed(refused: OperatedRig) -> None:
    (late,) = refused.listed("late", "list")
    assert (late["event"]["event_id"], late["reason"]) == ("late", "late")
    letters = refused.listed("dead", "list")
    assert len(letters) == 10
    assert letters[0]["key"] == "fe"
    assert (letters[0]["value"], letters[0]["event"]) == (b"\x00\x1b[31m".hex(), None)
    one = refused.listed("dead", "list", "--reason", "too_early")
    assert [letter["event"]["event_id"] for letter in one] == ["early"]
    for option, events in (([], ["big 4", "big 5"]), (["--oldest"], ["big 0", "big 1"])):
        found = refused.listed("dead", "list", "--partition", "1", "--limit", "2", *option)
        assert [letter["event"]["event_id"] for letter in found] == events
    assert len(refused.listed("dead", "list", "--since", "2001-01-01T00:00:00Z")) == 9
    text = refused.command("dead", "list").output
    assert "\x1b" not in text
    assert "amount: got 11; allowed is 0 to 10" in text


def test_a_sample_has_every_reason_and_is_the_same_each_time(refused: OperatedRig) -> None:
    letters = refused.listed("dead", "list", "--sample", "2")
    assert [letter["reason"] for letter in letters] == [
        "conflicting",
        "invalid",
        "invalid",
        "too_early",
        "undecodable",
    ]
    assert refused.listed("dead", "list", "--sample", "2") == letters


def test_a_letter_is_shown_byte_for_byte(refused: OperatedRig) -> None:
    (listed,) = refused.listed("dead", "list", "--reason", "undecodable")
    letter = refused.report("dead", "show", listed["id"])
    assert letter == listed
    assert letter["headers"] == [["trace", "fd"]]
    assert (letter["topic"], letter["timestamp_ms"]) == (raw_topic(refused.source), 77)
    text = refused.command("dead", "show", listed["id"]).output
    assert "6 bytes: 001b5b33316d\n" in text
    assert "trace  1 bytes: fd" in text


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        (("show", "0:999"), LetterNotFoundError, "below offset"),
        (("show", "5:0"), LetterNotFoundError, "partition 5; allowed are 0, 1"),
        (("show", "first"), LetterNotFoundError, "allowed is PARTITION:OFFSET"),
        (("list", "--since", "noon"), OptionError, "got 'noon'"),
        (("list", "--since", "2001-01-01"), OptionError, "such as 2014-01-01T00:00:00Z"),
        (("requeue",), OptionError, "one of ID"),
        (("requeue", "0:0", "--all"), OptionError, "one of ID"),
        (("requeue", "0:0", "0:999"), LetterNotFoundError, "0:999"),
    ],
)
def test_what_is_not_there_is_one_line(
    refused: OperatedRig, words: tuple[str, ...], error: type[Exception], message: str
) -> None:
    raised = refused.command("dead", *words).exception
    assert isinstance(raised, error)
    assert message in str(raised)
    assert "\n" not in str(raised)


def test_unknown_sources_and_topics_are_one_line(refused: OperatedRig) -> None:
    asked = [f"{refused.source.name}_asked", "--json", "/dev/null"]
    state = ["--state", str(refused._state)]  # noqa: SLF001
    for name, error in (("nobody", DefinitionError), (asked[0], TopicError)):
        command = ["late", "count", name, *state]
        raised = CliRunner().invoke(app, command, env=refused.environment).exception
        assert isinstance(raised, error)
        assert name in str(raised)


def prediction(rig: OperatedRig, event_id: str, item: str, **as_of_ms: int) -> OutputRecord:
    """A prediction whose receipts name views with a window end, and an old definition for none."""
    (service,) = rig.definitions.services
    receipts = []
    for view in service.views:
        word = view.name.rpartition("_")[2]
        fingerprint = "old" if f"old_{word}" in as_of_ms else view_fingerprint(view)
        receipts.append(
            {
                "view": view.name,
                "fingerprint": fingerprint,
                "as_of_ms": as_of_ms.get(word, as_of_ms.get(f"old_{word}", 0)),
                "window_end_ms": None,
                "mark": None,
            }
        )
    content = {
        "event_id": event_id,
        "event_time_ms": START_MS + 2_000,
        "service": service.name,
        "fingerprint": "f",
        "keys": {"item": item},
        "score": 0.25,
        "decision": False,
        "model_name": service.name,
        "model_version": "1",
        "model_sha256": "0",
        "vector": [],
        "views": receipts,
        "source_topic": service.request.name,
        "source_partition": 0,
        "source_offset": 0,
        "scored_at_ms": 0,
    }
    value = AvroCodec(prediction_schema()).encode_single_object(content)
    return OutputRecord(predictions_topic(service), 0, event_id.encode(), value)


def test_a_late_event_shows_the_windows_and_predictions_that_it_missed(
    refused: OperatedRig,
) -> None:
    """Size 400, slide 200; the event is at START.

    START-400     START          +200          +400          +600
        |-------------|event........|.............|.............|
        [=============)                                            as of START: out
               [.....=======)                                      as of +200: in
                      [===========================)                as of +400: in, at its edge
                                    [===========================)  as of +600: out
    """
    (service,) = refused.definitions.services
    refused.admin.create_topics([predictions_topic(service)], PARTITIONS)
    inside, edge = START_MS + 200, START_MS + 400
    with TransactionalWriter(refused.kafka, "test.predictions") as writer:
        for record in (
            prediction(refused, "inside", "a", counted=inside),
            prediction(refused, "at the edge", "a", counted=edge),
            prediction(refused, "before", "a", counted=START_MS),
            prediction(refused, "after", "a", counted=START_MS + 600),
            prediction(refused, "other key", "b", counted=edge),
            prediction(refused, "filtered out", "a", big=edge),
            prediction(refused, "null", "a", heavy=edge),
            prediction(refused, "other definition", "a", old_counted=edge),
        ):
            writer.write(record)
        writer.commit()
    with TransactionalWriter(refused.kafka, "test.aborted") as writer:
        writer.write(prediction(refused, "never committed", "a", counted=edge))
        writer._producer.flush(30)  # noqa: SLF001 - it is in the topic, and aborted

    (late,) = refused.listed("late", "list")
    shown = refused.report("late", "show", late["id"])
    (view,) = shown["views"]
    assert view == {
        "view": f"{refused.source.name}_counted",
        "keys": {"item": "a"},
        "features": [f"{refused.source.name}_counted_count"],
        "first_end_ms": START_MS + 200,
        "last_end_ms": START_MS + 400,
        "left_at_ms": START_MS + 600,
        "windows": 2,
    }
    (missed,) = shown["predictions"]
    assert (missed["service"], missed["count"], missed["other_definitions"]) == (service.name, 2, 1)
    assert [(each["event_id"], each["score"]) for each in missed["examples"]] == [
        ("inside", 0.25),
        ("at the edge", 0.25),
    ]
    text = refused.command("late", "show", late["id"]).output
    assert "2 s behind 2001-09-09 01:46:42.000" in text
    assert "never falls" in text
    assert "2 would have counted it" in text


def why(report: Any) -> dict[str, str]:
    return {kept["id"]: kept["why"] for kept in report["kept"]}


def requeued_from(record: Any) -> list[str]:
    return [content.decode() for name, content in record.headers if name == REQUEUED_FROM]


def test_what_is_valid_by_now_is_accepted_once(rig: OperatedRig) -> None:
    rig.event(START_MS, "a")
    rig.event(START_MS + 3, "w3", amount=TOO_BIG)
    rig.event(START_MS + 1, "w1", amount=TOO_BIG)
    rig.event(START_MS - 399, "just in time", amount=TOO_BIG)
    for _ in range(2):
        rig.event(START_MS + 2, "twice", amount=TOO_BIG)
    rig.event(START_MS, "a", amount=TOO_BIG)
    rig.event(START_MS, "never", amount=WIDE + 1)
    rig.event(START_MS - 400, "old", amount=TOO_BIG)
    rig.raw(b"rubbish")
    # Newest: what is at START - 400 is late from now on.
    rig.event(START_MS + 600, "newest")
    rig.judge_all(NARROW)
    letters = rig.listed("dead", "list", "--partition", "0")
    ids = {letter["event"] and letter["event"]["event_id"]: letter["id"] for letter in letters}
    first_twice = next(x["id"] for x in letters if x["event"] and x["event"]["event_id"] == "twice")
    raw_end = rig.admin.end_offsets(raw_topic(rig.source), "read_uncommitted")

    # By the narrow definitions nothing can go; those of WIDE let four of them go, oldest first.
    assert rig.report("dead", "requeue", "--all", exit_code=1)["requeued"] == []
    rig.largest_amount = WIDE
    planned = rig.report("dead", "requeue", "--all", "--dry-run", exit_code=1)
    expected = [ids["just in time"], ids["w1"], first_twice, ids["w3"]]
    assert planned["requeued"] == expected
    kept = {
        ids["twice"]: "duplicate",
        ids["a"]: "conflicting",
        ids["never"]: "invalid",
        ids["old"]: "late",
        ids[None]: "undecodable",
    }
    assert why(planned) == kept
    assert rig.admin.end_offsets(raw_topic(rig.source), "read_uncommitted") == raw_end

    # Died in an open transaction: nothing is published. Died after a commit: the first one is.
    for step, published in (("before", []), ("after", expected[:1])):
        worker = rig.process(WORKER, rig.source.name, step)
        assert worker.wait(60) == -signal.SIGKILL
        if step == "after":
            found = [requeued_from(record) for record in rig.records(raw_topic(rig.source))]
            assert [letter_id for each in found for letter_id in each] == published

    continued = rig.report("dead", "requeue", "--all", exit_code=1)
    assert (continued["requeued"], continued["requeued_earlier"]) == (expected[1:], expected[:1])
    again = rig.report("dead", "requeue", "--all", exit_code=1)
    assert again["requeued"] == []
    assert sorted(again["requeued_earlier"]) == sorted(expected)
    assert why(again) == kept
    assert rig.report("dead", "requeue", ids["w1"])["requeued_earlier"] == [ids["w1"]]

    refused = rig.command("dead", "requeue", ids["old"])
    assert refused.exit_code == 1
    assert "never falls" in refused.output

    # Intake still has the narrow definitions: it refuses them again, and they can go once more.
    rig.judge_all(NARROW)
    rig.largest_amount = WIDE
    second = rig.report("dead", "requeue", "--reason", "invalid", exit_code=1)
    assert len(second["requeued"]) == 4
    assert not set(second["requeued"]) & set(expected)
    assert sorted(second["requeued_earlier"]) == sorted(expected)
    rig.judge_all(WIDE)

    log = [rig.codec.from_log(value) for _, value in rig.validated()]
    assert [event.event_id for event in log] == ["a", "newest", "just in time", "w1", "twice", "w3"]
    # Four were published twice, `twice` by its second letter; a second trip leaves one header.
    raw = rig.records(raw_topic(rig.source))
    assert len(raw) == 11 + 8
    for original, record in zip([raw[3], raw[2], raw[5], raw[1]], raw[-4:], strict=True):
        assert (record.key, record.value) == (original.key, original.value)
        assert record.timestamp == original.timestamp
        assert [name for name, _ in record.headers] == [REQUEUED_FROM]
    assert [requeued_from(record) for record in raw[-4:]] == [[x] for x in second["requeued"]]
    assert rig.report("dead", "requeue", "--reason", "invalid", exit_code=1)["requeued"] == []
    assert rig.report("dead", "count")["agrees"]
