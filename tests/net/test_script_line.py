"""Whose turn it is at a wire."""

from __future__ import annotations

import asyncio
from collections.abc import Generator

from mailrider.net.run import Run
from mailrider.net.script_line import ScriptLine
from mailrider.smtp.reply import Reply
from mailrider.smtp.wire import Want, Wire


def make_run(loop: asyncio.AbstractEventLoop) -> Run:
    def script() -> Generator[Want, Reply | None, None]:
        yield from ()

    return Run(script(), loop.create_future())


def test_one_may_write_and_the_others_wait_in_their_order() -> None:
    loop = asyncio.new_event_loop()
    first, second, third = (make_run(loop) for _ in range(3))
    wire = Wire()
    line = ScriptLine(wire)
    assert [line.join(run) for run in (first, second, third)] == [True, False, False]
    assert not wire.free
    line.leave(first)
    assert wire.free
    assert line.call() is second
    assert not wire.free
    line.leave(second)
    assert line.call() is third
    assert not line.waiting
    loop.close()


def test_nobody_overtakes_those_who_wait() -> None:
    loop = asyncio.new_event_loop()
    wire = Wire()
    line = ScriptLine(wire)
    runs = [make_run(loop) for _ in range(3)]
    assert [line.join(run) for run in runs[:2]] == [True, False]
    line.leave(runs[0])
    assert not line.join(runs[2])
    assert line.call() is runs[1]
    loop.close()


def test_whoever_ends_after_the_next_one_has_begun_takes_no_turn_away() -> None:
    loop = asyncio.new_event_loop()
    wire = Wire()
    line = ScriptLine(wire)
    first, second = make_run(loop), make_run(loop)
    line.join(first)
    wire.free = True  # the first has written all it has to write
    assert line.join(second)
    line.leave(first)
    assert not wire.free
    line.leave(second)
    assert wire.free
    loop.close()


def test_nobody_begins_on_a_wire_that_is_done_for() -> None:
    loop = asyncio.new_event_loop()
    wire = Wire()
    line = ScriptLine(wire)
    runs = [make_run(loop) for _ in range(2)]
    wire.reusable = False
    assert [line.join(run) for run in runs] == [False, False]
    assert line.dissolve() == runs
    assert line.dissolve() == []
    loop.close()
