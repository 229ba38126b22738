"""Heartbeats by the wall clock: none before everything that came before is processed."""

from streaming.intake.codec import CanonicalEvent
from streaming.intake.gate import PartitionState
from streaming.intake.wall_clock import WallClockHeartbeats

LATENESS = 7
SLIDES = (10, 25)


class Clockwork:
    """A clock and a raw partition that the test moves by hand."""

    def __init__(self, now_ms: int) -> None:
        self.now_ms = now_ms
        self.raw_end = 0
        self.state = PartitionState(LATENESS)
        self.heartbeats = WallClockHeartbeats(
            slides_ms=SLIDES,
            lateness_ms=LATENESS,
            now_ms=lambda: self.now_ms,
            raw_end=lambda: self.raw_end,
        )

    def due(self, position: int) -> list[int]:
        return self.heartbeats.due(self.state, position)

    def accept(self, time_ms: int, event_id: str | None = None) -> None:
        self.state.accept(CanonicalEvent(event_id=event_id, event_time_ms=time_ms, content=b""))

    def write_due(self, position: int = 0) -> list[int]:
        instants = self.due(position)
        for instant in instants:
            self.accept(instant)
        return instants


def test_every_boundary_of_every_slide_once() -> None:
    clockwork = Clockwork(100)
    assert clockwork.write_due() == []
    clockwork.now_ms = 106
    assert clockwork.write_due() == []
    clockwork.now_ms = 107
    assert clockwork.write_due() == [107]
    assert clockwork.write_due() == []
    clockwork.now_ms = 160
    assert clockwork.write_due() == [117, 127, 132, 137, 147, 157]


def test_the_backlog_comes_first() -> None:
    clockwork = Clockwork(100)
    clockwork.now_ms, clockwork.raw_end = 110, 5
    assert clockwork.due(4) == []
    clockwork.raw_end = 9
    clockwork.now_ms = 200
    # Promised when the clock read 110 and the partition ended at 5; the rest needs 9.
    assert clockwork.write_due(5) == [107]
    assert clockwork.write_due(5) == []
    assert clockwork.write_due(9) == [117, 127, 132, 137, 147, 157, 167, 177, 182, 187, 197]


def test_the_first_event_of_a_backlog_lets_no_heartbeat_pass_the_rest() -> None:
    clockwork = Clockwork(1_000)
    clockwork.raw_end = 5
    clockwork.accept(900, "a")
    assert clockwork.due(1) == []
    clockwork.accept(950, "b")
    assert clockwork.due(5)[:2] == [947, 957]


def test_one_that_would_be_late_is_left_out() -> None:
    clockwork = Clockwork(100)
    clockwork.accept(124, "a")
    clockwork.now_ms = 135
    assert clockwork.write_due() == [127, 132]
    clockwork = Clockwork(100)
    clockwork.accept(123, "a")
    clockwork.now_ms = 135
    assert clockwork.write_due() == [117, 127, 132]


def test_after_an_outage_it_continues_after_the_newest_heartbeat() -> None:
    clockwork = Clockwork(1_000)
    clockwork.accept(127)
    clockwork.accept(130, "a")
    assert clockwork.write_due()[:3] == [132, 137, 147]


def test_a_first_event_behind_the_start_gets_the_instants_after_it() -> None:
    clockwork = Clockwork(1_000)
    clockwork.accept(930, "a")
    assert clockwork.write_due()[:2] == [927, 932]


def test_a_long_gap_is_written_in_portions() -> None:
    clockwork = Clockwork(0)
    clockwork.now_ms = 100_000
    portions = []
    while portion := clockwork.write_due():
        portions.append(len(portion))
    assert portions[0] == 1_000
    assert sum(portions) == 12_000
    assert clockwork.state.heartbeat_ms == 99_997


def test_after_an_abort_the_same_ones_are_due_again() -> None:
    clockwork = Clockwork(100)
    clockwork.now_ms = 120
    assert clockwork.write_due() == [107, 117]
    clockwork.state.abort()
    assert clockwork.write_due() == [107, 117]


def test_without_slides_there_are_none() -> None:
    heartbeats = WallClockHeartbeats(
        slides_ms=(), lateness_ms=LATENESS, now_ms=lambda: 10**9, raw_end=lambda: 0
    )
    assert heartbeats.due(PartitionState(LATENESS), 0) == []


def late_after_an_outage(raw_end: int | None) -> int:
    """Count late events of a backlog of ten minutes, read in batches of 3, at a clock after it."""
    clockwork = Clockwork(1_000)
    backlog = range(1_000, 601_000, 500)
    clockwork.now_ms = 601_000
    clockwork.raw_end = len(backlog) if raw_end is None else raw_end
    late = 0
    for position, time_ms in enumerate(backlog, 1):
        horizon_ms = clockwork.state.horizon_ms
        if horizon_ms is not None and time_ms <= horizon_ms:
            late += 1
        else:
            clockwork.accept(time_ms, f"e{position}")
        if position % 3 == 0:
            clockwork.write_due(position)
            clockwork.state.commit()
    return late


def test_an_outage_of_ten_minutes_makes_nothing_late() -> None:
    assert late_after_an_outage(raw_end=None) == 0


def test_a_clock_that_does_not_look_at_the_backlog_would_make_it_late() -> None:
    assert late_after_an_outage(raw_end=0) > 1_000


def test_a_silent_partition_goes_on_beside_a_busy_one() -> None:
    busy, silent = Clockwork(1_000), Clockwork(1_000)
    busy.raw_end, busy.now_ms, silent.now_ms = 100, 2_000, 2_000
    assert busy.write_due(50) == []
    assert silent.write_due()[-1] == 1_997
