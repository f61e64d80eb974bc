"""The bell: who listens hears it, and nobody has to."""

from __future__ import annotations

import asyncio
import os
import stat
from pathlib import Path

import pytest
from tests.spool.fillings import DEFERRED, START_SECONDS, HandClock, put, run, submission, take

from mailrider.spool import lookout
from mailrider.spool.bell import NAME, Bell
from mailrider.spool.spool import ALL, Order, Stir
from mailrider.spool.sqlite import SqliteSpool


@pytest.fixture
def deaf_to_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looks of himself."""
    monkeypatch.setattr(lookout, "POLL_SECONDS", 3600.0)


def test_who_listens_is_told_of_every_ringing(tmp_path: Path) -> None:
    async def go() -> None:
        heard = asyncio.Event()
        bell = Bell(tmp_path)
        bell.listen(heard.set)
        for _ in range(3):
            Bell(tmp_path).ring()
            await heard.wait()
            heard.clear()
        bell.close()

    run(go())


def test_many_ringings_are_heard_and_then_it_is_quiet(tmp_path: Path) -> None:
    async def go() -> None:
        times = 0

        def count() -> None:
            nonlocal times
            times += 1

        bell = Bell(tmp_path)
        bell.listen(count)
        for _ in range(100_000):  # more than a FIFO holds
            Bell(tmp_path).ring()
        for _ in range(100):
            await asyncio.sleep(0)
        before = times
        for _ in range(100):
            await asyncio.sleep(0)
        assert before == times > 0
        bell.close()

    run(go())


def test_without_a_listener_ringing_does_nothing(tmp_path: Path) -> None:
    Bell(tmp_path).ring()
    assert not list(tmp_path.iterdir())
    os.mkfifo(tmp_path / NAME)
    Bell(tmp_path).ring()


def test_the_bell_of_a_node_that_has_died_is_used_again(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / NAME)
    test_who_listens_is_told_of_every_ringing(tmp_path)
    assert stat.S_ISFIFO((tmp_path / NAME).stat().st_mode)


@pytest.mark.parametrize("make", [Path.mkdir, Path.touch])
def test_where_there_can_be_no_bell_nobody_minds(tmp_path: Path, make: object) -> None:
    make(tmp_path / NAME)  # type: ignore[operator]

    async def go() -> None:
        bell = Bell(tmp_path)
        bell.listen(lambda: None)
        Bell(tmp_path).ring()
        bell.close()

    run(go())


@pytest.mark.usefixtures("deaf_to_time")
def test_a_node_hears_of_mail_at_once(tmp_path: Path) -> None:
    async def go() -> None:
        clock = HandClock()
        async with SqliteSpool(tmp_path, clock, sweeps=True) as node, SqliteSpool(tmp_path, clock) as visitor:
            await node.lease()
            await node.wait(0.0)
            waiting = asyncio.ensure_future(node.wait(3600.0))
            await asyncio.sleep(0)
            clock.now_seconds += 10
            identity = await put(visitor, submission(arrival_seconds=START_SECONDS - 100))
            assert await waiting == Stir.MAIL
            assert set(await take(node)) == {identity}

    run(go())


@pytest.mark.usefixtures("deaf_to_time")
def test_a_node_hears_of_a_flush_at_once(tmp_path: Path) -> None:
    async def go() -> None:
        clock = HandClock()
        async with SqliteSpool(tmp_path, clock, sweeps=True) as node, SqliteSpool(tmp_path, clock) as visitor:
            identity = await put(node, submission())
            await node.defer((await take(node))[identity], [0], DEFERRED, START_SECONDS + 4000)
            assert await node.lease() == ()
            waiting = asyncio.ensure_future(node.wait(3600.0))
            await asyncio.sleep(0)
            assert await visitor.administer(Order.FLUSH, ALL) == 1
            assert Stir.FLUSH in await waiting

    run(go())
