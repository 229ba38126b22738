"""Rows wait for their window end, and come out once and in order however they arrive."""

import random
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from feature_repo.offline_snapshot import Partition
from feature_repo.writer import InputSlice
from features.examples.flights import DEFINITIONS
from streaming.archive.pending import OfflineRow, PendingRows, ProgressError

VIEW = DEFINITIONS.view("origin_boardings_1h")
COUNT = "origin_boardings_1h_count"
PROGRESS: Partition = ("progress", 0)
SLIDE_MS = VIEW.window.slide_ms

Record = Mapping[str, Any]
Log = dict[Partition, list[Record]]


def row(slot: int, origin: str) -> Record:
    return {"origin": origin, "window_end_ms": slot * SLIDE_MS, COUNT: slot}


def told(slot: int, rows: int) -> Record:
    return {"window_end_ms": slot * SLIDE_MS, "row_count": rows}


def expected(slot: int, origin: str) -> OfflineRow:
    return (origin, slot * SLIDE_MS, slot)


def pending(
    complete_until_ms: int | None = None, positions: Mapping[Partition, int] | None = None
) -> PendingRows:
    return PendingRows(VIEW, complete_until_ms=complete_until_ms, positions=positions or {})


def give(to: PendingRows, at: Partition, first: int, records: Sequence[Record]) -> None:
    source = InputSlice(
        topic=at[0], partition=at[1], first_offset=first, next_offset=first + len(records)
    )
    (to.add_progress if at == PROGRESS else to.add_rows)(source, records)


def test_a_window_end_waits_for_its_last_row_and_for_those_before() -> None:
    rows = pending()
    give(rows, PROGRESS, 0, [told(1, 2), told(2, 1)])
    give(rows, ("rows", 0), 0, [row(1, "JFK"), row(2, "JFK")])
    assert rows.take() == []
    assert rows.complete_until_ms is None
    give(rows, ("rows", 1), 0, [row(1, "EWR")])
    assert sorted(rows.take()) == sorted(
        [expected(1, "JFK"), expected(1, "EWR"), expected(2, "JFK")]
    )
    assert rows.complete_until_ms == 2 * SLIDE_MS
    assert not +rows.waiting


def test_a_window_end_without_rows_is_complete_at_once() -> None:
    rows = pending()
    give(rows, PROGRESS, 0, [told(1, 0), told(2, 0)])
    assert rows.take() == []
    assert rows.complete_until_ms == 2 * SLIDE_MS


def test_what_is_known_or_told_again_changes_nothing() -> None:
    rows = pending(complete_until_ms=SLIDE_MS)
    again = [row(1, "JFK"), row(2, "JFK"), row(2, "JFK")]
    give(rows, PROGRESS, 0, [told(1, 1), told(2, 2), told(1, 1), told(2, 2)])
    give(rows, ("rows", 0), 0, again)
    assert rows.take() == []
    give(rows, ("rows", 1), 0, [row(2, "EWR")])
    assert rows.take() == [expected(2, "JFK"), expected(2, "EWR")]
    give(rows, ("rows", 0), 3, again)
    give(rows, PROGRESS, 4, [told(2, 2)])
    assert rows.take() == []
    assert not +rows.waiting


def test_positions_are_before_what_waits() -> None:
    rows = pending(positions={("rows", 1): 7})
    give(rows, ("rows", 0), 0, [row(1, "JFK")])
    give(rows, ("rows", 0), 1, [row(2, "JFK")])
    give(rows, PROGRESS, 0, [told(1, 1)])
    rows.take()
    assert rows.positions == {("rows", 0): 1, ("rows", 1): 7, PROGRESS: 1}
    assert rows.waiting[("rows", 0)] == 1
    give(rows, PROGRESS, 1, [told(2, 2), told(3, 0)])
    give(rows, PROGRESS, 3, [])
    rows.take()
    assert rows.positions[PROGRESS] == 1


def test_more_rows_than_progress_says_are_an_error() -> None:
    rows = pending()
    give(rows, ("rows", 0), 0, [row(1, "JFK"), row(1, "EWR")])
    give(rows, PROGRESS, 0, [told(1, 1)])
    with pytest.raises(ProgressError, match="got 2 rows, its progress says 1"):
        rows.take()


def job_output(rng: random.Random, slots: int) -> tuple[Log, list[OfflineRow]]:
    """Topics of a job that restarts, so it tells some window ends again; what they say once."""
    origins = {slot: rng.sample(range(9), rng.randrange(5)) for slot in range(1, slots + 1)}
    log: Log = {("rows", 0): [], ("rows", 1): [], PROGRESS: []}
    slot, furthest = 1, 0
    while furthest < slots:
        for origin in origins[slot]:
            log["rows", origin % 2].append(row(slot, str(origin)))
        # A killed job may have written rows and not yet their progress.
        if rng.random() < 0.2:
            slot = max(1, slot - rng.randrange(4))
            continue
        log[PROGRESS].append(told(slot, len(origins[slot])))
        furthest = max(furthest, slot)
        slot += 1
    return log, [expected(slot, str(origin)) for slot, all_ in origins.items() for origin in all_]


def archived(rng: random.Random, log: Log, *, remember: bool = True) -> list[OfflineRow]:
    """Everything that is written by a reader that is killed often."""
    written: list[OfflineRow] = []
    state: tuple[int | None, Mapping[Partition, int]] = (None, {})
    while True:
        rows, taken = pending(*state), []
        reading = {at: state[1].get(at, 0) for at in log}
        while rng.random() > 0.03:
            behind = [at for at, offset in reading.items() if offset < len(log[at])]
            if not behind:
                return written + taken
            at = rng.choice(behind)
            records = log[at][reading[at] :][: rng.randrange(1, 6)]
            give(rows, at, reading[at], records)
            reading[at] += len(records)
            taken += rows.take()
            if rng.random() < 0.1:
                written += taken
                taken = []
                state = (rows.complete_until_ms, rows.positions if remember else reading.copy())


@pytest.mark.parametrize("seed", range(150))
def test_every_row_once_and_in_order_whatever_is_killed(seed: int) -> None:
    rng = random.Random(seed)
    log, all_rows = job_output(rng, 40)
    written = archived(rng, log)
    assert sorted(written) == sorted(all_rows)
    ends = [end_ms for _, end_ms, _ in written]
    assert ends == sorted(ends)


def test_reading_on_behind_what_waits_would_lose_rows() -> None:
    """Negative control of the one above."""
    wrong = 0
    for seed in range(20):
        rng = random.Random(seed)
        log, all_rows = job_output(rng, 40)
        wrong += sorted(archived(rng, log, remember=False)) != sorted(all_rows)
    assert wrong > 10
