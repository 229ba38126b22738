"""The live job, fed in any interleaving and killed at any time, gives what the oracle gives."""

import itertools
import random
import tempfile
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import timedelta
from pathlib import Path

import pytest
from definition_cases import definitions
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st
from jobs import settings_for, write_logs
from live_jobs import (
    SOON,
    checkpoints,
    interleaved,
    is_complete,
    kill,
    live_differences,
    live_job,
    written_rows,
)
from stream_cases import STARTS_MS, StreamCase, make_log

from features.definitions import Definitions
from streaming.flink.rest import rest_address_file
from streaming.local.stack import EmbeddedStack
from streaming.local.waiting import WaitTimeoutError, wait_until
from streaming.settings import Settings
from tests.written_topics import Topics, create_topics, dropped

pytestmark = [pytest.mark.kafka, pytest.mark.flink]

A_WHILE = timedelta(seconds=40)
_numbers = itertools.count()

cases = st.builds(
    StreamCase,
    seed=st.integers(0, 2**32),
    streams=st.just(10),
    events=st.integers(100, 300),
    partitions=st.integers(1, 4),
    start_ms=st.sampled_from(STARTS_MS),
    keys=st.integers(1, 7),
    nulls=st.sampled_from([0.0, 0.1, 0.5]),
)


def test_rows_and_progress_are_the_same_after_any_kills(
    stack: EmbeddedStack, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    kills = request.config.getoption("--property-kills")

    # No shrinking: a case takes minutes; the seed that is printed gives it again.
    @settings(
        max_examples=2,
        deadline=None,
        print_blob=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(data=st.data(), case=cases)
    def check(data: st.DataObject, case: StreamCase) -> None:
        defined = data.draw(definitions(f"live{next(_numbers)}"))
        note(f"{case}")
        with tempfile.TemporaryDirectory(dir=tmp_path) as work:
            jobs = settings_for(stack, Path(work), case.partitions).model_copy(
                update={"parallelism": 2}
            )
            logs = {
                source.name: make_log(source, case, defined.slides_ms(source), closed=True)
                for source in defined.sources
            }
            create_topics(jobs.kafka, defined, jobs.partitions)
            rng = random.Random(case.seed)
            parts = iter(interleaved(logs, kills + 1, rng))
            with closing(Topics(jobs.kafka)) as topics:
                for part in itertools.islice(parts, kills):
                    with live_job(jobs, defined) as job:
                        moment = rng.choice(moments(jobs, topics, defined))
                        write_logs(jobs, iter(part))
                        # A part may bring no row; then the job is killed when it idles.
                        with suppress(WaitTimeoutError):
                            wait_until(moment, timeout=A_WHILE, what="a moment to kill")
                        assert job.alive()
                        kill(job)
                with live_job(jobs, defined) as job:
                    write_logs(jobs, iter(next(parts)))
                    job.wait_ready(lambda: is_complete(topics, defined, logs), timeout=SOON)
                    wait_until(lambda: dropped(jobs) is not None, timeout=SOON, what="metrics")
                    assert dropped(jobs) == 0
                for view in defined.views:
                    assert not live_differences(topics, view, logs), f"{view}"

    check()


def moments(jobs: Settings, topics: Topics, defined: Definitions) -> list[Callable[[], bool]]:
    """When to kill: the job has just started, has a new checkpoint, or has written more."""
    complete, written = checkpoints(jobs, defined), written_rows(topics, defined)
    return [
        lambda: rest_address_file(jobs).exists(),
        lambda: bool(checkpoints(jobs, defined) - complete),
        lambda: written_rows(topics, defined) > written,
    ]
