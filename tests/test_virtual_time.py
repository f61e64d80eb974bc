"""The clock that all other tests trust."""

from __future__ import annotations

import asyncio
import socket
import time

import pytest

from virtual_time import EPOCH_SECONDS, START_SECONDS, VirtualClock, run


def test_the_clock_jumps_from_timer_to_timer() -> None:
    async def main() -> list[float]:
        loop = asyncio.get_running_loop()
        moments: list[float] = []
        loop.call_later(3600, lambda: moments.append(loop.time()))
        loop.call_later(0.5, lambda: moments.append(loop.time()))
        await asyncio.sleep(7000)
        clock = VirtualClock()
        return [*moments, clock.monotonic_seconds(), clock.wall_seconds() - EPOCH_SECONDS]

    assert run(main()) == pytest.approx([START_SECONDS + after for after in (0.5, 3600, 7000, 7000)])


def test_what_can_happen_now_happens_before_the_clock_moves() -> None:
    async def main() -> float:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.setblocking(False)
            theirs.send(b"x")
            async with asyncio.timeout(0.001):
                await asyncio.get_running_loop().sock_recv(ours, 1)
        return asyncio.get_running_loop().time()

    assert run(main()) == START_SECONDS


def test_the_clock_stands_still_while_a_thread_works() -> None:
    async def main() -> None:
        async with asyncio.timeout(1):
            await asyncio.get_running_loop().run_in_executor(None, time.time)
            await asyncio.to_thread(time.time)

    run(main())


def test_too_long_is_too_long() -> None:
    with pytest.raises(TimeoutError):
        run(asyncio.sleep(11), limit_seconds=10)


def test_an_exception_in_a_callback_is_not_overlooked() -> None:
    async def main() -> None:
        asyncio.get_running_loop().call_soon(lambda: 1 / 0)

    with pytest.raises(AssertionError, match="division by zero"):
        run(main())


def test_a_descriptor_that_is_left_on_the_loop_is_not_overlooked() -> None:
    ours, theirs = socket.socketpair()

    async def main() -> None:
        asyncio.get_running_loop().add_reader(ours.fileno(), lambda: None)

    with ours, theirs, pytest.raises(AssertionError, match="still watches"):
        run(main())


def test_a_task_that_is_left_is_not_overlooked() -> None:
    async def main() -> list[object]:
        return [asyncio.create_task(asyncio.sleep(100))]  # held, or it would be collected

    with pytest.raises(AssertionError, match="tasks are left"):
        run(main())
