"""An event loop whose clock jumps: no test waits, and none looks at the time of the machine.

While something can be done, it is done; when everybody waits, the clock moves straight to the next timer.  Sockets work: what
has come in on them is looked for before the clock moves.

`run` runs a coroutine on such a loop and then makes sure that nothing was left behind: no task, no file descriptor on the
loop, no exception that a callback swallowed.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

START_SECONDS = 1000.0
"""Where the clock begins: not at 0, so that a forgotten "now" shows."""

EPOCH_SECONDS = 1_700_000_000.0
"""What the calendar says when the clock says 0."""

LIMIT_SECONDS = 7200.0
"""How long a test may take on its own clock: longer than any time limit of the protocol."""

KERNEL_SECONDS = 0.002
"""How long octets may be under way between two sockets of this machine.  Only waited for after octets have moved."""

STUCK_SECONDS = 5.0
"""How long nothing at all may happen when no timer is set.  No test that passes gets here."""

ROUNDS = 50
"""Rounds of the loop in which closed connections come to rest."""


class Stuck(Exception):
    """Nobody waits for the time, and nothing comes in."""


class _JumpingSelector(selectors.DefaultSelector):
    """Waits for nothing but octets that are under way; moves the clock instead."""

    def __init__(self, loop: VirtualTimeLoop) -> None:
        super().__init__()
        self._loop = loop
        self._moved = True

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        events = super().select(0)
        if not events and (timeout is None or timeout > 0):
            events = self._wait(timeout)
        if events:
            self._moved = True
        return events

    def _wait(self, timeout: float | None) -> list[tuple[selectors.SelectorKey, int]]:
        loop = self._loop
        if loop.threads_at_work or timeout is None:
            events = super().select(STUCK_SECONDS)
            if not events:
                raise Stuck(f"nothing has happened for {STUCK_SECONDS} s")
            return events
        if self._moved:
            self._moved = False
            events = super().select(KERNEL_SECONDS)
            if events:
                return events
        loop.now_seconds += timeout
        return []


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """See the top of this file.  `trouble` collects what callbacks raised."""

    def __init__(self) -> None:
        self.now_seconds = START_SECONDS
        self.threads_at_work = 0
        self.trouble: list[BaseException | str] = []
        super().__init__(_JumpingSelector(self))
        self._own_descriptors = self.descriptors()
        self.set_exception_handler(lambda _, context: self.trouble.append(context.get("exception") or context["message"]))

    def time(self) -> float:
        return self.now_seconds

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:
        """A thread takes real time: the clock stands still until it is done."""
        future = super().run_in_executor(executor, func, *args)
        self.threads_at_work += 1

        def end(_: object) -> None:
            self.threads_at_work -= 1

        future.add_done_callback(end)
        return future

    def descriptors(self) -> set[int]:
        """The file descriptors that the loop watches."""
        return {key.fd for key in self._selector.get_map().values()}  # type: ignore[attr-defined]

    @property
    def foreign_descriptors(self) -> set[int]:
        """Those that are not the loop's own."""
        return self.descriptors() - self._own_descriptors


class VirtualClock:
    """A `mailrider.clock.Clock` on the running loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()

    def monotonic_seconds(self) -> float:
        return self._loop.time()

    def wall_seconds(self) -> float:
        return EPOCH_SECONDS + self._loop.time()


def run(main: Coroutine[Any, Any, T], *, limit_seconds: float = LIMIT_SECONDS) -> T:
    """Run `main` to its end on a clock of its own; `limit_seconds` on it is too long."""

    async def bounded() -> T:
        async with asyncio.timeout(limit_seconds):
            result = await main
        await come_to_rest()
        return result

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, VirtualTimeLoop)
        result = runner.run(bounded())
        assert not loop.trouble, f"exceptions in callbacks: {loop.trouble}"
        assert not asyncio.all_tasks(loop), "tasks are left"
        assert not loop.foreign_descriptors, "the loop still watches file descriptors"
    return result


async def come_to_rest() -> None:
    """Let everything happen that can happen without the clock moving."""
    for _ in range(ROUNDS):
        await asyncio.sleep(0)
