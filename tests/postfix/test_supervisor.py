"""A supervisor in a process of its own: what it tells master(8), when it leaves, and how it replaces the dead.

No worker serves anybody here: each waits for its lifeline, or does what the test wants.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import struct
import time
from collections.abc import Callable

from mailrider import children
from mailrider.exit_codes import EX_CONFIG
from mailrider.postfix.supervisor import Slot, Staff, Supervisor
from mailrider.postfix.watchdog import SIGNAL

PATIENCE_SECONDS = 90.0

RunWorker = Callable[[int, Slot], int]


def wait_for_lifeline(lifeline: int, slot: Slot) -> int:
    slot.note(0, 0)
    os.read(lifeline, 1)
    return 0


class Scene:
    """A supervisor as a child of ours; `said` is what it and its workers write into a pipe."""

    def __init__(
        self,
        run_worker: RunWorker,
        *,
        by_master: bool = True,
        idle_seconds: float = 0.0,
        uses_limit: int = 0,
        tell_hung: Callable[[int], object] = lambda worker: None,
    ) -> None:
        self.master_end, child_end = socket.socketpair()
        self.said, say = os.pipe()
        self.pid = os.fork()
        if self.pid:
            child_end.close()
            os.close(say)
            return
        code = 99
        try:
            self.master_end.close()

            def run(lifeline: int, slot: Slot) -> int:
                os.write(say, b"%d\n" % os.getpid())
                return run_worker(lifeline, slot)

            children.RESTART_SECONDS = 0.01
            staff = Staff(
                workers=2, run_worker=run, listeners=[], warn=lambda text: None, prepare=lambda: None,
                status_channel=child_end.fileno() if by_master else None, generation=7,
                idle_seconds=idle_seconds, uses_limit=uses_limit, tell_hung=tell_hung,
            )  # fmt: skip
            code = Supervisor(staff).run()
        finally:
            os._exit(code)

    def workers(self, count: int) -> list[int]:
        """The next workers that begin."""
        text = b""
        while text.count(b"\n") < count:
            ready, _, _ = select.select([self.said], [], [], PATIENCE_SECONDS)
            assert ready, "no worker has begun"
            text += os.read(self.said, 1000)
        return [int(line) for line in text.split()]

    def wait(self) -> int:
        end = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < end:
            child, status = os.waitpid(self.pid, os.WNOHANG)
            if child:
                return os.waitstatus_to_exitcode(status)
            select.select([], [], [], 0.01)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        raise AssertionError("the supervisor does not end")

    def close(self) -> None:
        self.master_end.close()
        os.close(self.said)


def all_gone(pipe: int) -> bool:
    """Everybody who could write has ended."""
    while select.select([pipe], [], [], PATIENCE_SECONDS)[0]:
        if not os.read(pipe, 1000):
            return True
    return False


def test_master_is_told_once_and_its_end_is_ours() -> None:
    scene = Scene(wait_for_lifeline)
    scene.workers(2)
    records = b""
    while len(records) < 24:
        records += scene.master_end.recv(100)
    assert list(struct.iter_unpack("=iIi", records)) == [(scene.pid, 7, 0), (scene.pid, 7, 1)]
    scene.master_end.close()
    assert scene.wait() == 0
    assert all_gone(scene.said)
    scene.close()


def test_where_no_worker_can_begin_master_is_told_nothing_and_throttles() -> None:
    scene = Scene(lambda lifeline, slot: EX_CONFIG)
    assert scene.wait() == 1
    assert scene.master_end.recv(100) == b""
    scene.close()


def test_a_dead_worker_is_replaced() -> None:
    scene = Scene(wait_for_lifeline)
    os.kill(scene.workers(2)[0], signal.SIGKILL)
    assert scene.workers(1)
    scene.master_end.close()
    assert scene.wait() == 0
    scene.close()


def test_a_worker_that_its_watchdog_has_killed_is_told_of_and_replaced() -> None:
    told, tell = os.pipe()
    scene = Scene(wait_for_lifeline, tell_hung=lambda worker: os.write(tell, b"%d\n" % worker))
    hung, _ = scene.workers(2)
    os.kill(hung, SIGNAL)
    assert os.read(told, 100) == b"%d\n" % hung
    assert scene.workers(1)
    scene.master_end.close()
    assert scene.wait() == 0
    for descriptor in (told, tell):
        os.close(descriptor)
    scene.close()


def test_a_supervisor_that_is_killed_takes_its_workers_along() -> None:
    scene = Scene(wait_for_lifeline)
    scene.workers(2)
    os.kill(scene.pid, signal.SIGKILL)
    assert scene.wait() == -signal.SIGKILL
    assert all_gone(scene.said)
    scene.close()


def test_a_wrong_configuration_ends_all() -> None:
    scene = Scene(lambda lifeline, slot: EX_CONFIG)
    assert scene.wait() == 1
    scene.close()


def test_without_work_it_leaves() -> None:
    scene = Scene(wait_for_lifeline, idle_seconds=0.01)
    assert scene.wait() == 0
    assert all_gone(scene.said)
    scene.close()


def test_after_so_many_errands_it_leaves() -> None:
    def serve(lifeline: int, slot: Slot) -> int:
        slot.note(1, 3)
        os.read(lifeline, 1)
        return 0

    scene = Scene(serve, uses_limit=5)
    assert scene.wait() == 0
    scene.close()


def test_who_works_is_not_idle() -> None:
    supervisor = Supervisor(
        Staff(2, wait_for_lifeline, [], lambda text: None, lambda: None, idle_seconds=0.0001, uses_limit=10)
    )
    slots = supervisor._slots
    for busy, served, leaves in ((0, 0, True), (1, 1, False), (0, 1, True), (0, 5, True), (1, 5, True)):
        for slot in slots:
            slot.note(busy, served)
        while time.monotonic() <= slots[-1].read()[2] + 0.0001:
            pass
        assert supervisor._has_nothing_to_do() is leaves


def test_a_worker_is_needed_when_those_before_it_are_busy_or_gone() -> None:
    supervisor = Supervisor(Staff(3, wait_for_lifeline, [], lambda text: None, lambda: None))
    first, second, third = supervisor._slots
    for one, another, needed in ((0, 0, False), (7, 8, False), (8, 7, False), (8, 8, True), (-1, 9, True), (9, -1, True)):
        first.note(one, 0)
        second.note(another, 0)
        assert first.is_needed()
        assert second.is_needed() is (one >= 8 or one == -1)
        assert third.is_needed() is needed


def test_a_service_of_the_system_ends_when_its_workers_have() -> None:
    scene = Scene(wait_for_lifeline, by_master=False)
    for worker in scene.workers(2):
        os.kill(worker, signal.SIGTERM)  # as systemd does to the whole group: workers wait for the supervisor's word
    os.kill(scene.pid, signal.SIGTERM)
    assert scene.wait() == 0
    assert all_gone(scene.said)
    scene.close()
