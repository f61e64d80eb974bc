"""A worker accepts, bounds what it takes on, and leaves when its lifeline ends."""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from mailrider.postfix import worker as rooms
from mailrider.postfix.worker import Worker, count_errands

GREETING = b"hello"


class Notes:
    def __init__(self) -> None:
        self.notes: list[tuple[int, int]] = []

        self.needed = True

    def note(self, busy: int, served: int) -> None:
        self.notes.append((busy, served))

    def is_needed(self) -> bool:
        return self.needed


class Scene:
    """A worker whose errands end when they are told to."""

    def __init__(self, path: Path, most_at_once: int, listener: socket.socket | None = None) -> None:
        self.path = str(path)
        self.listener = listener or socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(10)
        self.listener.setblocking(False)
        self.lifeline, self.own_end = os.pipe()
        self.notes = Notes()
        self.begun: list[tuple[socket.socket, Callable[[], None]]] = []
        self.changed = asyncio.Event()
        self.worker = Worker(
            [self.listener], self.lifeline, self.begin, GREETING, most_at_once=most_at_once, activity=self.notes
        )
        self.running = asyncio.ensure_future(self.worker.run())

    def begin(self, connection: socket.socket, when_done: Callable[[], None]) -> None:
        self.begun.append((connection, when_done))
        self.changed.set()

    async def until_begun(self, count: int) -> None:
        while len(self.begun) < count:
            self.changed.clear()
            await self.changed.wait()

    def call(self) -> socket.socket:
        caller = socket.socket(socket.AF_UNIX)
        caller.connect(self.path)
        caller.setblocking(False)
        return caller

    def end(self, index: int) -> None:
        connection, when_done = self.begun[index]
        connection.close()
        when_done()

    async def close(self) -> None:
        os.close(self.own_end)
        await asyncio.wait_for(self.running, 5)
        self.listener.close()
        os.close(self.lifeline)


def test_callers_are_greeted_at_once(tmp_path: Path) -> None:
    async def play() -> None:
        scene = Scene(tmp_path / "s", 10)
        with scene.call() as one, scene.call() as another:
            await scene.until_begun(2)
            assert one.recv(99) == another.recv(99) == GREETING
        scene.end(0)
        scene.end(1)
        await scene.close()
        assert scene.notes.notes == [(0, 0), (1, 1), (2, 2), (1, 2), (0, 2)]

    asyncio.run(play())


def test_no_more_than_so_many_at_once(tmp_path: Path) -> None:
    async def play() -> None:
        scene = Scene(tmp_path / "s", 1)
        with scene.call(), scene.call() as later:
            await scene.until_begun(1)
            for _ in range(5):
                await asyncio.sleep(0)
            with pytest.raises(BlockingIOError):
                later.recv(1)
            scene.end(0)
            await scene.until_begun(2)
            assert later.recv(99) == GREETING
        scene.end(1)
        await scene.close()

    asyncio.run(play())


def test_what_has_begun_is_completed_when_the_lifeline_ends(tmp_path: Path) -> None:
    async def play() -> None:
        scene = Scene(tmp_path / "s", 10)
        with scene.call():
            await scene.until_begun(1)
            scene.worker.drain()
            with scene.call() as late:
                for _ in range(5):
                    await asyncio.sleep(0)
                with pytest.raises(BlockingIOError):
                    late.recv(1)
                assert not scene.running.done()
                scene.end(0)
                await asyncio.wait_for(scene.running, 5)
        await scene.close()

    asyncio.run(play())


def test_callers_are_left_to_those_who_come_first_unless_they_do_not_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rooms, "PATIENCE_SECONDS", 0.001)
    monkeypatch.setattr(rooms, "STILL_THERE_SECONDS", 10.0)

    async def play() -> None:
        scene = Scene(tmp_path / "s", 10)
        scene.notes.needed = False
        with scene.call() as caller:
            await asyncio.sleep(0)
            with pytest.raises(BlockingIOError):
                caller.recv(1)
            await scene.until_begun(1)
            assert caller.recv(99) == GREETING
        scene.end(0)
        await scene.close()

    asyncio.run(play())


class Starved(socket.socket):
    """A listener in a system that has no descriptors left, for a while."""

    refusals = 0

    def accept(self) -> tuple[socket.socket, object]:
        if self.refusals:
            self.refusals -= 1
            raise OSError(errno.EMFILE, "Too many open files")
        return super().accept()


def test_a_shortage_is_waited_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rooms, "SHORTAGE_SECONDS", 0.0)

    async def play() -> None:
        scene = Scene(tmp_path / "s", 10, Starved(socket.AF_UNIX))
        assert isinstance(scene.listener, Starved)
        scene.listener.refusals = 2
        with scene.call() as caller:
            await scene.until_begun(1)
            assert caller.recv(99) == GREETING
        assert not scene.listener.refusals
        scene.end(0)
        await scene.close()

    asyncio.run(play())


def test_a_caller_who_has_gone_is_no_errand(tmp_path: Path) -> None:
    async def play() -> None:
        scene = Scene(tmp_path / "s", 10)
        scene.call().close()
        with scene.call():
            await scene.until_begun(1)
        for index in range(len(scene.begun)):
            scene.end(index)
        await scene.close()
        assert scene.notes.notes[-1][0] == 0

    asyncio.run(play())


@pytest.mark.parametrize(("limits", "wanted"), [((1024, 1024), 164), ((100, 100), 1), ((2**20, 2**20), 5000), ((-1, -1), 5000)])
def test_descriptors_bound_the_errands(monkeypatch: pytest.MonkeyPatch, limits: tuple[int, int], wanted: int) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda which: limits)
    assert count_errands() == wanted
    assert rooms.MOST_AT_ONCE == 5000


def test_the_soft_limit_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    raised = []
    monkeypatch.setattr(resource, "getrlimit", lambda which: (1024, 4096))
    monkeypatch.setattr(resource, "setrlimit", lambda which, limits: raised.append(limits))
    assert count_errands() == (4096 - rooms.SPARE_DESCRIPTORS) // rooms.DESCRIPTORS_FOR_AN_ERRAND
    assert raised == [(4096, 4096)]
