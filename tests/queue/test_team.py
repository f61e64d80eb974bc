"""Workers and their supervisor in conversation, over real sockets in one process."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from mailrider.queue.team import ANNOUNCED_LIMIT, BEHIND_OCTETS, FRAME_LIMIT_OCTETS, Conversation, Hub, Member, Word
from mailrider.spool.fellowship import Candidate

PATIENCE_SECONDS = 60.0

HERE: Candidate = (1.5, 7, 0, "a.example")


def play(scene: Callable[[Scene], Coroutine[Any, Any, None]]) -> None:
    async def go() -> None:
        async with asyncio.timeout(PATIENCE_SECONDS), make_scene() as made:
            await scene(made)

    asyncio.run(go())


class Scene:
    """A hub and two members.  `told` is what the hub has heard, `orders` what members have, `heard` what was announced."""

    def __init__(self) -> None:
        self.told: list[tuple[int, Word]] = []
        self.hub = Hub(lambda worker, word: self.told.append((worker, word)))
        self.members: list[Member] = []
        self.heard: list[list[Sequence[Candidate]]] = []
        self.orders: list[list[Word]] = []
        self.serving: list[asyncio.Task[None]] = []
        self.running: list[asyncio.Task[None]] = []

    async def add(self) -> Member:
        near, far = socket.socketpair()
        number = len(self.members)
        self.serving.append(asyncio.ensure_future(self.hub.serve(number, await Conversation.over(near))))
        member = Member(await Conversation.over(far))
        heard: list[Sequence[Candidate]] = []
        orders: list[Word] = []
        member.attend(heard.append)
        self.members.append(member)
        self.heard.append(heard)
        self.orders.append(orders)
        self.running.append(asyncio.ensure_future(member.run(orders.append)))
        await until(lambda: number in self.hub.present)
        return member


async def until(condition: Callable[[], object]) -> None:
    while not condition():
        await asyncio.sleep(0)


@asynccontextmanager
async def make_scene() -> Any:
    scene = Scene()
    await scene.add()
    await scene.add()
    yield scene
    for member in scene.members:
        await member.close()
    await asyncio.gather(*scene.serving, *scene.running)


def test_claims_are_kept_at_the_hub() -> None:
    async def scene(it: Scene) -> None:
        one, other = it.members
        assert await one.claim([(7, 0), (7, 1)]) == []
        assert await other.claim([(7, 1), (8, 0)]) == [(7, 1)]
        one.give_back(7, [1])
        assert await one.claim([(9, 0)]) == []  # said after it
        assert await other.claim([(7, 1)]) == []
        assert len(it.hub.claims) == 4

    play(scene)


def test_what_comes_back_and_is_claimed_again_at_once_stays_with_the_one_who_has_it() -> None:
    async def scene(it: Scene) -> None:
        one, other = it.members
        await one.claim([(7, 0)])
        one.give_back(7, [0])
        assert await one.claim([(7, 0)]) == []
        await asyncio.sleep(0)
        assert await other.claim([(7, 0)]) == [(7, 0)]

    play(scene)


def test_mail_is_announced_to_the_others() -> None:
    async def scene(it: Scene) -> None:
        it.members[0].announce([HERE])
        await until(lambda: it.heard[1])
        it.hub.announce([HERE, HERE])
        await until(lambda: it.heard[0] and len(it.heard[1]) == 2)
        assert it.heard == [[[HERE, HERE]], [[HERE], [HERE, HERE]]]

    play(scene)


def test_of_very_much_mail_it_is_told_that_there_is_some() -> None:
    async def scene(it: Scene) -> None:
        many = [HERE] * (ANNOUNCED_LIMIT + 1)
        it.members[0].announce(many)
        it.hub.announce(many)
        await until(lambda: it.heard[0] and len(it.heard[1]) == 2)
        assert it.heard == [[[]], [[], []]]

    play(scene)


def test_orders_and_what_is_told() -> None:
    async def scene(it: Scene) -> None:
        it.hub.order("reload", 1)
        it.members[1].tell("ready")
        await until(lambda: it.orders[0] and it.orders[1] and it.told)
        assert it.orders == [[["reload", 1]], [["reload", 1]]]
        assert it.told == [(1, ["ready"])]

    play(scene)


def test_what_a_dead_worker_held_is_looked_for_by_the_others() -> None:
    async def scene(it: Scene) -> None:
        one, other = it.members
        await one.claim([(7, 0)])
        await one.close()
        await it.serving[0]
        assert it.hub.present == {1}
        assert await other.claim([(7, 0)]) == [(7, 0)], "it is not known to be dead"
        it.hub.bury(0)
        assert await other.claim([(7, 0)]) == []
        await until(lambda: it.heard[1])
        assert it.heard[1] == [[]]

    play(scene)


def test_a_worker_that_does_not_read_is_told_to_look_as_soon_as_it_does() -> None:
    async def scene(it: Scene) -> None:
        near, far = socket.socketpair()
        serving = asyncio.ensure_future(it.hub.serve(2, await Conversation.over(near)))
        await until(lambda: 2 in it.hub.present)
        domain = "x" * 100_000
        for _ in range(2 * BEHIND_OCTETS // len(domain)):
            it.hub.announce([(1.0, 7, 0, domain)])
        slow = Member(await Conversation.over(far))
        heard: list[Sequence[Candidate]] = []
        slow.attend(heard.append)
        running = asyncio.ensure_future(slow.run(lambda word: None))
        assert await slow.claim([(1, 1)]) == []
        missed = 2 * BEHIND_OCTETS // len(domain) - len(heard)
        assert missed > 0
        assert await slow.claim([(1, 2)]) == []
        await until(lambda: heard[-1] == [])
        await slow.close()
        await asyncio.gather(serving, running)

    play(scene)


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"\0\0",
        struct.pack(">I", FRAME_LIMIT_OCTETS + 1),
        struct.pack(">I", 3) + b"[1",
        struct.pack(">I", 2) + b"[[",
        struct.pack(">I", 2) + b"{}",
        struct.pack(">I", 2) + b"[]",
        struct.pack(">I", 2) + b"\xff\xff",
    ],
)
def test_what_is_no_frame_ends_the_conversation(octets: bytes) -> None:
    async def scene(it: Scene) -> None:
        near, far = socket.socketpair()
        with far:
            far.sendall(octets)
            far.shutdown(socket.SHUT_WR)
            await it.hub.serve(2, await Conversation.over(near))
        assert it.hub.present == {0, 1}

    play(scene)
