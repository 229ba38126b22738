"""The line in which calls wait."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from models.endpoint.admission import Call, WaitingLine


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    made = asyncio.new_event_loop()
    yield made
    made.close()


def call(loop: asyncio.AbstractEventLoop, size: int) -> Call:
    return Call(service="s", requests=[{}] * size, reply=loop.create_future())


def test_calls_come_out_in_order_as_many_as_fit(loop: asyncio.AbstractEventLoop) -> None:
    line = WaitingLine(100)
    calls = [call(loop, size) for size in (3, 2, 9, 1)]
    assert all(map(line.enter, calls))
    assert line.take(6) == calls[:2]
    assert line.take(6) == calls[2:3], "one call is taken whatever its size"
    assert line.take(6) == calls[3:]


def test_a_full_line_lets_nobody_in_until_there_is_room(loop: asyncio.AbstractEventLoop) -> None:
    line = WaitingLine(5)
    assert line.enter(call(loop, 4))
    assert not line.is_full
    assert not line.enter(call(loop, 2))
    assert line.enter(call(loop, 1))
    assert line.is_full
    line.take(4)
    assert line.enter(call(loop, 4))


def test_a_large_call_is_let_in_when_nothing_waits(loop: asyncio.AbstractEventLoop) -> None:
    assert WaitingLine(5).enter(call(loop, 50))


def test_a_call_can_leave_until_its_scoring_begins(loop: asyncio.AbstractEventLoop) -> None:
    line = WaitingLine(5)
    first, second = call(loop, 3), call(loop, 2)
    assert line.enter(first)
    assert line.enter(second)
    assert line.leave(first)
    assert line.take(10) == [second]
    assert not line.leave(second)
    assert line.enter(call(loop, 5)), "what has left takes no room"


def test_a_closed_line_serves_those_in_it(loop: asyncio.AbstractEventLoop) -> None:
    line = WaitingLine(5)
    last = call(loop, 1)
    line.enter(last)
    line.close()
    assert not line.enter(call(loop, 1))
    assert line.take(5) == [last]
    assert line.take(5) == []


def test_closing_wakes_who_waits() -> None:
    line = WaitingLine(5)
    taken: list[list[Call]] = []
    waiting = threading.Thread(target=lambda: taken.append(line.take(1)))
    waiting.start()
    line.close()
    waiting.join(5)
    assert taken == [[]]
