"""Idle sessions: kept under several keys, taken once, closed in time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from typing import Any

import pytest

from mailrider.delivery import cache as cache_module
from mailrider.delivery.cache import ConnectionCache
from mailrider.delivery.session import Session
from mailrider.errors import ConnectionLost
from mailrider.events import ConnectionClosed, Event
from mailrider.model.server import Family, Server
from mailrider.net.connection import Connection
from mailrider.net.deadline import DeadlineWheel
from mailrider.smtp.capabilities import Capabilities
from mailrider.smtp.stage import DOT
from mailrider.smtp.wire import AWAIT_REPLY
from net.memory_stream import MemoryPeer, MemoryStream
from virtual_time import come_to_rest, run

from .scene import profile_of

SERVER = Server("mx.example.test", "192.0.2.1", 25, Family.IPV4)


class Kept:
    """A cache and what goes into it."""

    def __init__(self, **settings: object) -> None:
        self.cache = ConnectionCache()
        self.profile = profile_of(**settings)
        self.wheel = DeadlineWheel(asyncio.get_running_loop())
        self.events: list[Event] = []

    def session(self) -> tuple[Session, MemoryPeer]:
        stream = MemoryStream()
        connection = Connection(stream, self.profile.patience, self.wheel)
        session = Session(connection, SERVER, Capabilities(), self.profile, self.events.append)
        self.cache.adopt(session)
        return session, stream.peer


def wait_for_reply(session: Session) -> Generator[Any, Any, None]:
    """A script that only waits, as for the reply to a dot."""
    session.connection.wire.expect(DOT)
    yield AWAIT_REPLY


def scene(act: Callable[[Kept], Coroutine[Any, Any, None]], **settings: object) -> None:
    async def main() -> None:
        kept = Kept(**settings)
        await act(kept)
        kept.cache.close()
        for session in list(kept.cache.open):
            session.connection.close()
        assert len(kept.cache) == 0
        assert not kept.cache.open

    run(main())


def test_a_session_is_found_under_each_of_its_keys_and_taken_once() -> None:
    async def act(kept: Kept) -> None:
        for key in ("one", "two"):
            session, _ = kept.session()
            kept.cache.keep(session, ("one", "two"))
            assert len(kept.cache) == 1
            assert kept.cache.take(key) is session
            assert kept.cache.take("one") is None
            assert kept.cache.take("two") is None
            assert len(kept.cache) == 0
            assert not session.connection.gone

    scene(act)


def test_nothing_is_found_where_nothing_is() -> None:
    async def act(kept: Kept) -> None:
        assert kept.cache.take("anything") is None

    scene(act)


def test_the_one_that_was_kept_last_is_taken_first() -> None:
    """So that a thinning stream of mail lets the others expire."""

    async def act(kept: Kept) -> None:
        sessions = [kept.session()[0] for _ in range(3)]
        for session in sessions:
            kept.cache.keep(session, ("key",))
        assert [kept.cache.take("key") for _ in range(4)] == [*reversed(sessions), None]

    scene(act)


def test_an_idle_session_closes_when_its_time_is_up() -> None:
    async def act(kept: Kept) -> None:
        session, peer = kept.session()
        kept.cache.keep(session, ("key",))
        await asyncio.sleep(1.9)
        assert not session.connection.gone
        await asyncio.sleep(0.3)
        assert session.connection.gone
        assert kept.cache.take("key") is None
        assert peer.take_all() == b""

    scene(act)


@pytest.mark.parametrize(
    ("settings", "seconds"),
    [
        ({"smtp_connection_cache_time_limit": "30s"}, 2),
        ({"smtp_connection_cache_time_limit": "30s", "connection_cache_ttl_limit": "60s"}, 30),
        ({"smtp_connection_cache_time_limit": "1s"}, 1),
    ],
)
def test_the_time_is_the_shorter_of_two(settings: dict[str, object], seconds: int) -> None:
    async def act(kept: Kept) -> None:
        session, _ = kept.session()
        kept.cache.keep(session, ("key",))
        begin = asyncio.get_running_loop().time()
        await session.connection.left()
        assert 0 <= asyncio.get_running_loop().time() - begin - seconds <= 0.2

    scene(act, **settings)


def test_a_session_that_was_taken_is_not_closed_under_its_user() -> None:
    async def act(kept: Kept) -> None:
        session, _ = kept.session()
        kept.cache.keep(session, ("key",))
        await asyncio.sleep(1)
        assert kept.cache.take("key") is session
        await asyncio.sleep(100)
        assert not session.connection.gone

    scene(act)


@pytest.mark.parametrize("ending", ["hang up", "reset", "unasked reply"])
def test_a_session_whose_server_ends_it_is_forgotten(ending: str) -> None:
    async def act(kept: Kept) -> None:
        session, peer = kept.session()
        kept.cache.keep(session, ("one", "two"))
        if ending == "hang up":
            peer.hang_up()
        elif ending == "reset":
            peer.reset()
        else:
            peer.say(b"421 4.4.2 bye\r\n")
        await come_to_rest()
        assert len(kept.cache) == 0
        assert kept.cache.take("one") is None
        assert kept.cache.take("two") is None
        assert session not in kept.cache.open

    scene(act)


def test_the_next_best_is_taken_where_the_best_is_no_good() -> None:
    async def act(kept: Kept) -> None:
        good, bad = kept.session()[0], kept.session()[0]
        kept.cache.keep(good, ("key",))
        kept.cache.keep(bad, ("key",))
        bad.connection.wire.reusable = False
        assert kept.cache.take("key") is good
        assert bad.connection.gone

    scene(act)


def test_a_session_that_is_lent_may_be_taken_before_it_is_idle() -> None:
    async def act(kept: Kept) -> None:
        session, _ = kept.session()
        waiting = session.connection.run(wait_for_reply(session))
        assert kept.cache.lend(session, ("one", "two"))
        assert kept.cache.take("one") is session
        assert kept.cache.take("two") is None
        kept.cache.settle(session)  # somebody has it: nothing to do
        await asyncio.sleep(100)
        assert not session.connection.gone
        session.connection.close()
        with pytest.raises(ConnectionLost):
            await waiting

    scene(act)


def test_a_session_that_is_lent_and_not_taken_begins_to_rest() -> None:
    async def act(kept: Kept) -> None:
        session, peer = kept.session()
        waiting = session.connection.run(wait_for_reply(session))
        kept.cache.lend(session, ("key",))
        await asyncio.sleep(100)
        assert not session.connection.gone
        peer.say(b"250 2.0.0 Ok\r\n")
        await waiting
        kept.cache.settle(session)
        await asyncio.sleep(1)
        assert not session.connection.gone
        await asyncio.sleep(1.2)
        assert session.connection.gone
        assert len(kept.cache) == 0

    scene(act)


def test_a_session_that_is_lent_and_no_good_is_left_to_its_lender() -> None:
    """Its last message is not answered yet: to close it would lose the answer."""

    async def act(kept: Kept) -> None:
        session, peer = kept.session()
        other, _ = kept.session()
        kept.cache.keep(other, ("key",))
        waiting = session.connection.run(wait_for_reply(session))
        kept.cache.lend(session, ("key",))
        session.connection.wire.garbled = True
        assert kept.cache.take("key") is other
        assert kept.cache.take("key") is None
        assert not session.connection.gone
        peer.say(b"250 2.0.0 Ok\r\n")
        await waiting
        kept.cache.settle(session)
        assert session.connection.gone

    scene(act)


def test_there_is_a_limit_and_a_session_beyond_it_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_module, "KEPT_LIMIT", 2)

    async def act(kept: Kept) -> None:
        sessions = [kept.session()[0] for _ in range(3)]
        for session in sessions:
            kept.cache.keep(session, ("key",))
        assert [session.connection.gone for session in sessions] == [False, False, True]
        assert len(kept.cache) == 2
        assert kept.cache.take("key") is sessions[1]
        again, _ = kept.session()
        kept.cache.keep(again, ("key",))
        assert not again.connection.gone

    scene(act)


def test_a_session_without_a_key_is_closed() -> None:
    async def act(kept: Kept) -> None:
        session, _ = kept.session()
        kept.cache.keep(session, ())
        assert session.connection.gone
        assert len(kept.cache) == 0

    scene(act)


def test_all_that_are_open_are_known_until_they_are_gone() -> None:
    async def act(kept: Kept) -> None:
        busy, _ = kept.session()
        idle, _ = kept.session()
        busy.uses, idle.uses = 3, 1
        kept.cache.keep(idle, ("key",))
        assert kept.cache.open == {busy, idle}
        kept.cache.close()
        assert kept.cache.open == {busy}
        busy.connection.close()
        assert kept.events == [ConnectionClosed(SERVER, 1), ConnectionClosed(SERVER, 3)]

    scene(act)
