from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import Any

import pytest

from mailrider.errors import BrokenPromise, ConnectionLost, TimedOut
from mailrider.net.run import Run
from mailrider.smtp.reply import Reply, ReplyParser
from mailrider.smtp.wire import AWAIT_REPLY, Pause, Want
from virtual_time import run as play

(OK,) = ReplyParser().feed(b"250 ok\r\n")

Script = Generator[Want, Reply | None, Any]


def begin(script: Script) -> Run:
    return Run(script, asyncio.get_running_loop().create_future())


def test_a_script_says_what_it_wants_until_it_ends() -> None:
    def script() -> Script:
        reply = yield AWAIT_REPLY
        yield Pause(5)
        return reply

    async def main() -> None:
        run = begin(script())
        assert not run.begun
        assert run.resume(None) is AWAIT_REPLY
        assert run.begun
        assert run.resume(OK) == Pause(5)
        assert not run.ended
        assert run.resume(None) is None
        assert (run.ended, run.failed, run.future.result()) == (True, False, OK)

    play(main())


def test_trouble_arrives_where_the_script_waits() -> None:
    def script() -> Script:
        try:
            yield AWAIT_REPLY
        except ConnectionLost:
            yield Pause(1)
        return "survived"

    async def main() -> None:
        run = begin(script())
        run.resume(None)
        assert run.throw(ConnectionLost("x")) == Pause(1)
        assert run.resume(None) is None
        assert (run.failed, run.future.result()) == (False, "survived")

    play(main())


def test_trouble_may_be_the_end_of_it() -> None:
    def script() -> Script:
        try:
            yield AWAIT_REPLY
        except TimedOut:
            return "too late"

    async def main() -> None:
        run = begin(script())
        run.resume(None)
        assert run.throw(TimedOut("x")) is None
        assert (run.ended, run.failed, run.future.result()) == (True, False, "too late")

    play(main())


@pytest.mark.parametrize("error", [ConnectionLost("x"), BrokenPromise("x"), ZeroDivisionError()])
def test_what_a_script_lets_through_is_in_its_future(error: Exception) -> None:
    def script(*, at_once: bool) -> Script:
        if not at_once:
            try:
                yield AWAIT_REPLY
            except ConnectionLost:
                pass
        raise error

    async def main() -> None:
        first, second, third = (begin(script(at_once=at_once)) for at_once in (True, False, False))
        assert first.resume(None) is None
        second.resume(None)
        assert second.resume(OK) is None
        third.resume(None)
        assert third.throw(ConnectionLost("y")) is None
        for run in (first, second, third):
            assert (run.ended, run.failed) == (True, True)
            assert run.future.exception() is error

    play(main())


@pytest.mark.parametrize("fails", [True, False])
def test_nobody_may_be_there_any_more(fails: bool) -> None:
    def script() -> Script:
        yield AWAIT_REPLY
        if fails:
            raise BrokenPromise("x")

    async def main() -> None:
        run = begin(script())
        run.resume(None)
        run.future.cancel()
        assert run.resume(OK) is None
        assert run.ended
        assert run.failed == fails
        assert run.future.cancelled()

    play(main())
