"""Asking a service that answers, announces the wrong thing, hangs up, is slow, or is not there."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest

from mailrider.attributes.plain import encode_attributes
from mailrider.postfix import services
from mailrider.postfix.services import STATUS_PROTOCOL, ServiceClients, ServiceFailed, connect_service

ANNOUNCEMENT = encode_attributes([("protocol", STATUS_PROTOCOL)])
GOOD = encode_attributes([("status", 0)])

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "PAUSE_SECONDS", 0.0)


def says(first: bytes, answer: bytes) -> Handler:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(first)
        if first or answer:
            with suppress(asyncio.IncompleteReadError):
                await reader.readuntil(b"\0\0")
        writer.write(answer)

    return handle


async def ask(path: str, handler: Handler | None, *, announces: bool = True, seconds: float = 5.0) -> int:
    clients = ServiceClients(announces=announces, answer_seconds=seconds)
    if handler is None:
        return await clients.ask(path, STATUS_PROTOCOL, [("nrequest", 0)])
    serving: list[asyncio.Task[None]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        serving.append(task)
        try:
            await handler(reader, writer)
        finally:
            writer.close()
            await writer.wait_closed()

    async with await asyncio.start_unix_server(serve, path):
        try:
            return await clients.ask(path, STATUS_PROTOCOL, [("nrequest", 0)])
        finally:
            await asyncio.wait(serving)


@pytest.mark.parametrize(("answer", "status"), [(GOOD, 0), (encode_attributes([("status", -1)]), -1)])
def test_an_answer(tmp_path: Path, answer: bytes, status: int) -> None:
    assert asyncio.run(ask(str(tmp_path / "s"), says(ANNOUNCEMENT, answer))) == status


def test_a_service_of_an_older_release_announces_nothing(tmp_path: Path) -> None:
    assert asyncio.run(ask(str(tmp_path / "s"), says(b"", GOOD), announces=False)) == 0


@pytest.mark.parametrize(
    ("first", "answer", "reason"),
    [
        (encode_attributes([("protocol", "other")]), GOOD, "it speaks 'other'"),
        (encode_attributes([("status", 0)]), GOOD, "stands where protocol should"),
        (ANNOUNCEMENT, encode_attributes([("status", "x")]), "no number"),
        (ANNOUNCEMENT, b"", "hung up"),
        (b"", b"", "hung up"),
    ],
)
def test_what_makes_no_sense(tmp_path: Path, first: bytes, answer: bytes, reason: str) -> None:
    with pytest.raises(ServiceFailed, match=reason):
        asyncio.run(ask(str(tmp_path / "s"), says(first, answer)))


def test_nobody_there(tmp_path: Path) -> None:
    with pytest.raises(ServiceFailed, match="No such file"):
        asyncio.run(ask(str(tmp_path / "s"), None))


def test_a_service_that_is_silent(tmp_path: Path) -> None:
    async def sleep(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    with pytest.raises(ServiceFailed, match="no answer within"):
        asyncio.run(ask(str(tmp_path / "s"), sleep, seconds=0.01))


def test_the_second_try_counts(tmp_path: Path) -> None:
    asked = 0

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        await says(ANNOUNCEMENT, GOOD if asked > 1 else b"")(reader, writer)

    assert asyncio.run(ask(str(tmp_path / "s"), handle)) == 0
    assert asked == 2


def test_a_full_backlog_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Non-blocking connect(2) says EAGAIN then, for which an event loop has no word."""
    path = str(tmp_path / "s")
    pauses = []

    async def scene() -> None:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            listener.listen(0)
            waiting = await connect_service(path)

            async def make_room(seconds: float) -> None:
                pauses.append(seconds)
                listener.accept()[0].close()

            monkeypatch.setattr(asyncio, "sleep", make_room)
            more = await connect_service(path)
            more.close()
            waiting.close()

    asyncio.run(scene())
    assert pauses == [services.FIRST_WAIT_SECONDS]
