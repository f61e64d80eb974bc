"""A node within a program."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest

import mailrider
from mailrider.errors import QueueRefused, SpoolTrouble, WrongConfiguration, WrongUsage
from mailrider.machine import SystemClock, read_settings
from mailrider.model.request import Notify
from mailrider.settings import Settings
from mailrider.spool.memory import MemorySpool
from mailrider.testkit.peers import ScriptedServer

MESSAGE = b"Subject: x\r\n\r\nhello\r\n"


def make(**values: str) -> Settings:
    own = {"myhostname": "here.example", "myorigin": "here.example", "mydestination": ""}
    return read_settings(None, [f"{name}={value}" for name, value in {**own, **values}.items()])


async def until_empty(node: mailrider.Node) -> None:
    async with asyncio.timeout(90):
        while (await node.spool.stats()).messages:
            await asyncio.sleep(0.005)


def test_what_is_enqueued_is_delivered(tmp_path: Path) -> None:
    async def main() -> None:
        async with ScriptedServer() as server:
            settings = make(relayhost=f"[127.0.0.1]:{server.port}", queue_directory=str(tmp_path / "queue"))
            (tmp_path / "queue").mkdir()
            async with mailrider.Node(settings) as node:
                letter = EmailMessage()
                letter["Subject"] = "hello"
                letter.set_content("hi")
                first = await node.enqueue(letter, sender="a", recipients=["<@r.example:b@dest.example.>", "c"])
                second = await node.enqueue(MESSAGE, sender="", recipients=["b@dest.example"], notify=Notify.NEVER)
                assert first != second
                await until_empty(node)
            commands = [line for session in server.sessions for line in session.commands]
            assert sum(line.startswith("MAIL FROM:<a@here.example>") for line in commands) == 1
            assert sum(line.startswith("RCPT TO:<b@dest.example>") for line in commands) == 2
            assert sum(line.startswith("RCPT TO:<c@here.example>") for line in commands) == 1

    asyncio.run(main())


@pytest.mark.parametrize(
    "arguments",
    [
        {"recipients": []},
        {"recipients": "b@dest.example"},
        {"recipients": [""]},
        {"recipients": ["a\nb@dest.example"]},
        {"recipients": ["Joe <joe@dest.example>"]},
        {"recipients": ["b@dest.example"], "sender": "a\r@x"},
        {"recipients": ["b@dest.example"], "message": MESSAGE * 100},
        {"recipients": ["b@dest.example"], "ret": "everything"},
        {"recipients": ["b@dest.example"], "envid": "a\nb"},
    ],
)
def test_what_makes_no_sense_is_refused(arguments: dict[str, object]) -> None:
    async def main() -> None:
        async with mailrider.Node(make(message_size_limit="500"), spool=MemorySpool(SystemClock())) as node:
            given: dict[str, object] = {"message": MESSAGE, "sender": "a@here.example", **arguments}
            with pytest.raises(WrongUsage):
                await node.enqueue(given.pop("message"), **given)  # type: ignore[arg-type]

    asyncio.run(main())


def test_a_second_node_is_kept_from_the_queue_of_the_first(tmp_path: Path) -> None:
    async def main() -> None:
        settings = make(queue_directory=str(tmp_path / "queue"))
        async with mailrider.Node(settings) as first:
            for _ in range(2):
                with pytest.raises(SpoolTrouble, match=r"another node works on the queue in .*/queue \(process \d+\)"):
                    await mailrider.Node(settings).__aenter__()
            assert await first.enqueue(MESSAGE, sender="a", recipients=["b"]), "the first one is not disturbed"
        async with mailrider.Node(settings):
            pass

    asyncio.run(main())


def test_a_full_disk_is_told() -> None:
    async def main() -> None:
        async with mailrider.Node(make(), spool=MemorySpool(SystemClock(), limit_octets=5)) as node:
            with pytest.raises(QueueRefused):
                await node.enqueue(MESSAGE, sender="a@here.example", recipients=["b@dest.example"])

    asyncio.run(main())


def test_a_node_works_between_its_beginning_and_its_end() -> None:
    node = mailrider.Node(make())
    with pytest.raises(WrongUsage):
        _ = node.works
    with pytest.raises(WrongUsage):
        _ = node.spool


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A server that takes connections and never says a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


@pytest.mark.parameter("shutdown_grace_time")
def test_what_does_not_end_in_time_goes_back_untouched(silent_port: int) -> None:
    async def main() -> None:
        spool = MemorySpool(SystemClock())
        settings = make(relayhost=f"[127.0.0.1]:{silent_port}", shutdown_grace_time="0s")
        async with mailrider.Node(settings, spool=spool) as node:
            queue_id = await node.enqueue(MESSAGE, sender="a@here.example", recipients=["b@dest.example"])
            while not node.works.dispatcher.busy:
                await asyncio.sleep(0.001)
        stored = await spool.show(queue_id)
        assert stored is not None
        assert stored.recipients[0].attempts == 0

    asyncio.run(main())


def test_new_settings_are_put_into_effect_and_what_is_under_way_ends_under_the_old(silent_port: int) -> None:
    async def main() -> None:
        async with ScriptedServer() as server:
            settings = make(relayhost=f"[127.0.0.1]:{silent_port}", shutdown_grace_time="0s")
            async with mailrider.Node(settings, spool=MemorySpool(SystemClock())) as node:
                await node.enqueue(MESSAGE, sender="a@here.example", recipients=["b@dest.example"])
                while not node.works.dispatcher.busy:
                    await asyncio.sleep(0.001)
                await node.reload(make(relayhost=f"[127.0.0.1]:{server.port}", shutdown_grace_time="0s"))
                queue_id = await node.enqueue(MESSAGE, sender="a@here.example", recipients=["c@dest.example"])
                async with asyncio.timeout(90):
                    while await node.spool.show(queue_id) is not None:
                        await asyncio.sleep(0.005)
                assert (await node.spool.stats()).messages == 1
                with pytest.raises(WrongConfiguration):
                    await node.reload(make(bounce_template_file="/nowhere/at/all"))
                assert node.settings.relayhost == (f"[127.0.0.1]:{server.port}",)

    asyncio.run(main())
