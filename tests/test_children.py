"""Children that are born and die.  Whatever asks for all children that have died is itself a child of the test."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable

import pytest

from mailrider import children
from mailrider.children import Alarm, Pause, bear, bury, describe_end
from mailrider.exit_codes import EX_SOFTWARE

PATIENCE_MILLISECONDS = 90_000


def live(life: Callable[[], int]) -> int:
    """How a child ends."""
    _, status = os.waitpid(bear(life), 0)
    return os.waitstatus_to_exitcode(status)


def test_a_child_ends_with_its_code() -> None:
    assert live(lambda: 3) == 3


def test_a_child_that_fails_is_a_fault_of_the_software() -> None:
    def life() -> int:
        raise RuntimeError("a fault")

    assert live(life) == EX_SOFTWARE


def test_who_has_died_is_heard_of_once() -> None:
    def life() -> int:
        alarm = Alarm()
        poll = select.poll()
        poll.register(alarm.descriptor, select.POLLIN)
        wanted = {bear(lambda: 5): 5, bear(lambda: os.kill(os.getpid(), signal.SIGKILL) or 0): -signal.SIGKILL}
        found: dict[int, int] = {}
        while len(found) < 2:
            if not poll.poll(PATIENCE_MILLISECONDS):
                return 1
            alarm.silence()
            found.update(bury())
        return 0 if found == wanted and not list(bury()) else 2

    assert live(life) == 0


def test_a_child_hears_nothing_of_its_parents_children() -> None:
    def life() -> int:
        Alarm()

        def look() -> int:
            return 0 if signal.set_wakeup_fd(-1) == -1 and signal.getsignal(signal.SIGCHLD) is signal.SIG_DFL else 1

        return live(look)

    assert live(life) == 0


def test_pauses_grow_while_nobody_lives_long() -> None:
    pause = Pause()
    assert [pause.after(0.5) for _ in range(7)] == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    assert pause.after(children.HEALTHY_SECONDS + 1) == 1.0
    assert pause.after(1.0) == 2.0


@pytest.mark.parametrize(("status", "text"), [(3, "exit status 3"), (-9, "killed by signal 9")])
def test_how_somebody_has_died(status: int, text: str) -> None:
    assert describe_end(status) == text
