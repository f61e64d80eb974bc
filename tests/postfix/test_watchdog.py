from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable

import pytest
from tests import virtual_time

from mailrider.postfix.watchdog import SIGNAL, Watchdog


def in_a_child(work: Callable[[], object]) -> int:
    """How a process ends that does this; 7 where it came back."""
    child = os.fork()
    if not child:
        try:
            work()
        finally:
            os._exit(7)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def hang() -> None:
    signal.pause()


def test_who_stands_still_is_killed() -> None:
    def work() -> None:
        signal.signal(SIGNAL, signal.SIG_IGN)  # what was before does not count
        Watchdog(0.02).arm()
        hang()

    assert in_a_child(work) == -SIGNAL


@pytest.mark.parametrize(("limit", "pause"), [(100.0, 10.0), (18000.0, 60.0)])
@pytest.mark.parameter("daemon_timeout")
def test_the_event_loop_winds_it_up_in_time(limit: float, pause: float) -> None:
    wound: list[tuple[float, float]] = []

    async def work() -> None:
        loop = asyncio.get_running_loop()
        begin = loop.time()
        watchdog = Watchdog(limit, lambda seconds: wound.append((loop.time() - begin, seconds)))
        watchdog.attend()
        await asyncio.sleep(3.5 * pause)

    virtual_time.run(work())
    assert [seconds for _, seconds in wound] == [limit + pause] * 4
    assert [at_seconds for at_seconds, _ in wound] == pytest.approx([0, pause, 2 * pause, 3 * pause], abs=0.1)


def test_no_limit_is_no_watchdog() -> None:
    watchdog = Watchdog(0.0, pytest.fail)
    watchdog.arm()
    watchdog.attend()
