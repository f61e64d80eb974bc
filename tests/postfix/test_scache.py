"""scache(8) as its client sees it.  What the real one does is asked in tests/postfix/test_scache_live.py."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest

from mailrider.attributes.plain import MalformedAttributes, encode_attributes
from mailrider.delivery.shared_cache import Facts, Found, Place
from mailrider.model.tls import TlsLevel
from mailrider.postfix.scache import ConnectionCacheService
from mailrider.postfix.services import ServiceDialogue
from mailrider.smtp.capabilities import Capabilities

PLACE = Place("smtp", "sink.test", "sink.test", "mx.test", "192.0.2.1", 25)
FACTS = Facts(TlsLevel.NONE, 1, 2e9, Capabilities(extended=True), False, "mx.test", "192.0.2.1", 25, True)
PATIENT_SECONDS = 60.0
GREETING = encode_attributes([("protocol", "connection_cache_protocol")])
OK = encode_attributes([("status", 0)])
NOT_FOUND = encode_attributes([("status", 2), ("property", "")])
DUMMY = encode_attributes([("dummy", "")])


class Service:
    """Keeps descriptors as scache(8) does.  `spoil` may do something else with a connection and say True."""

    def __init__(self) -> None:
        self.destinations: dict[str, tuple[str, str]] = {}
        self.endpoints: dict[str, tuple[str, int]] = {}
        self.requests: list[str] = []
        self.ttls: list[int] = []
        self.connections = 0
        self.spoil: Callable[[ServiceDialogue, str], Awaitable[bool]] | None = None
        self.greeting = GREETING

    async def serve(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as group:
            while True:
                connection, _ = await loop.sock_accept(listener)
                self.connections += 1
                group.create_task(self._converse(ServiceDialogue(connection)))

    async def _converse(self, dialogue: ServiceDialogue) -> None:
        with closing(dialogue), suppress(EOFError, OSError, MalformedAttributes):
            await dialogue.send(self.greeting)
            while True:
                asked = await dialogue.receive()
                request = asked.text(b"request")
                self.requests.append(request)
                if self.spoil is not None and await self.spoil(dialogue, request):
                    return
                if request.startswith("save"):
                    self.ttls.append(asked.integer(b"ttl"))
                label = asked.text(b"label")
                if request == "save_dest":
                    self.destinations[label] = asked.text(b"property"), asked.text(b"label")
                elif request == "save_endp":
                    await dialogue.send(DUMMY)
                    self.endpoints[label] = asked.text(b"property"), await dialogue.receive_descriptor()
                else:
                    await self._find(dialogue, request, label)
                    continue
                await dialogue.send(OK)

    async def _find(self, dialogue: ServiceDialogue, request: str, label: str) -> None:
        properties = []
        if request == "find_dest":
            one, label = self.destinations.get(label, ("", ""))
            properties.append(one)
        if label not in self.endpoints:
            await dialogue.send(NOT_FOUND if request == "find_endp" else NOT_FOUND[:-1] + b"property\0\0\0")
            return
        endpoint, descriptor = self.endpoints.pop(label)
        answer = [("status", 0), *[("property", text) for text in [*properties, endpoint]]]
        await dialogue.send(encode_attributes(answer))
        await dialogue.receive()
        await dialogue.send_descriptor(descriptor)
        await dialogue.receive()
        os.close(descriptor)

    def close(self) -> None:
        while self.endpoints:
            os.close(self.endpoints.popitem()[1][1])


Act = Callable[[ConnectionCacheService, Service, list[str]], Awaitable[None]]


def play(
    folder: Path, act: Act, *, release: tuple[int, int] = (3, 7), seconds: float = PATIENT_SECONDS, announces: bool = True
) -> None:
    async def main() -> None:
        service, warnings = Service(), list[str]()
        if not announces:
            service.greeting = b""
        with socket.socket(socket.AF_UNIX) as listener:
            listener.setblocking(False)
            listener.bind(str(folder / "scache"))
            listener.listen()
            serving = asyncio.create_task(service.serve(listener))
            client = ConnectionCacheService(
                str(folder / "scache"), release, announces=announces, limit_seconds=seconds, warn=warnings.append
            )
            try:
                await act(client, service, warnings)
            finally:
                client.close()
                serving.cancel()
                await asyncio.wait([serving])
                service.close()

    asyncio.run(main())


def a_pair() -> tuple[socket.socket, socket.socket]:
    return socket.socketpair()


def take(found: Found | None) -> socket.socket:
    assert found is not None
    return socket.socket(fileno=found.descriptor)


@pytest.mark.parametrize(("release", "announces"), [((3, 5), False), ((3, 7), True), ((3, 8), True), ((3, 12), True)])
def test_what_one_saves_another_finds_and_nobody_after_him(tmp_path: Path, release: tuple[int, int], announces: bool) -> None:
    async def act(client: ConnectionCacheService, service: Service, warnings: list[str]) -> None:
        for find in (client.find_destination, client.find_endpoint):
            near, far = a_pair()
            with near, far:
                await client.save(near.fileno(), PLACE, FACTS, 2.4)
                near.close()
                found = await find(PLACE)
                assert found is not None
                assert found.facts.reuses == 1
                assert found.facts.host == ("mx.test" if find == client.find_destination else "")
                assert not os.get_inheritable(found.descriptor)
                with take(found) as again:
                    again.sendall(b"x")
                    assert far.recv(10) == b"x"
                assert await find(PLACE) is None
        assert set(service.ttls) == {2}
        assert service.connections == 1
        assert not warnings

    play(tmp_path, act, release=release, announces=announces)


def test_without_a_next_hop_it_lies_under_its_address_alone(tmp_path: Path) -> None:
    async def act(client: ConnectionCacheService, service: Service, warnings: list[str]) -> None:
        near, far = a_pair()
        with near, far:
            await client.save(near.fileno(), PLACE._replace(nexthop=""), FACTS, 0.1)
        assert service.requests == ["save_endp"]
        assert service.ttls == [1]
        assert await client.find_destination(PLACE) is None
        take(await client.find_endpoint(PLACE)).close()

    play(tmp_path, act)


def test_many_at_once_take_turns(tmp_path: Path) -> None:
    async def act(client: ConnectionCacheService, service: Service, warnings: list[str]) -> None:
        async def go(number: int) -> None:
            near, far = a_pair()
            place = PLACE._replace(nexthop=f"n{number}", port=number)
            with near, far:
                await client.save(near.fileno(), place, FACTS, 2)
                with take(await client.find_destination(place)) as again:
                    again.sendall(b"%d" % number)
                    assert far.recv(10) == b"%d" % number

        await asyncio.gather(*[go(number) for number in range(20)])
        assert service.connections == 1
        assert not warnings

    play(tmp_path, act)


def test_a_service_that_was_started_anew_is_asked_again(tmp_path: Path) -> None:
    async def act(client: ConnectionCacheService, service: Service, warnings: list[str]) -> None:
        async def hang_up_once(dialogue: ServiceDialogue, request: str) -> bool:
            service.spoil = None
            return True

        for spoil in (None, hang_up_once):
            service.spoil = spoil
            near, far = a_pair()
            with near, far:
                await client.save(near.fileno(), PLACE, FACTS, 2)
            take(await client.find_endpoint(PLACE)).close()
        assert service.connections == 2
        assert not warnings

    play(tmp_path, act)


async def say_nothing(dialogue: ServiceDialogue, request: str) -> bool:
    await asyncio.Event().wait()
    return True


async def hang_up(dialogue: ServiceDialogue, request: str) -> bool:
    return True


async def babble(dialogue: ServiceDialogue, request: str) -> bool:
    await dialogue.send(b"220 mail.test ESMTP\0\0\0\0")
    return True


async def send_an_octet_alone(dialogue: ServiceDialogue, request: str) -> bool:
    await dialogue.send(encode_attributes([("status", 0), ("property", ""), ("property", "")]))
    await dialogue.receive()
    await dialogue.send(b"\0")
    return False


async def run_ahead(dialogue: ServiceDialogue, request: str) -> bool:
    await dialogue.send(encode_attributes([("status", 0), ("property", ""), ("property", "")]) + b"\0")
    return False


SPOILT = {
    "nothing": (say_nothing, "no answer within 0.05 seconds"),
    "gone": (hang_up, "the service has hung up"),
    "babble": (babble, "stands where status should"),
    "octet": (send_an_octet_alone, "an octet without a descriptor"),
    "ahead": (run_ahead, "more than was asked for"),
}


@pytest.mark.parameter("connection_cache_protocol_timeout")
@pytest.mark.parametrize("how", SPOILT)
def test_a_service_that_fails_twice_is_left_alone_with_one_warning(tmp_path: Path, how: str) -> None:
    async def act(client: ConnectionCacheService, service: Service, warnings: list[str]) -> None:
        service.spoil, complaint = SPOILT[how]
        assert client.is_available
        assert await client.find_destination(PLACE) is None
        assert not client.is_available
        asked = len(service.requests)
        near, far = a_pair()
        with near, far:
            await client.save(near.fileno(), PLACE, FACTS, 2)
        assert await client.find_endpoint(PLACE) is None
        assert len(service.requests) == asked <= 2
        (warning,) = warnings
        assert warning.startswith(f"problem talking to service {tmp_path}/scache: ")
        assert complaint in warning

    play(tmp_path, act, seconds=0.05 if how == "nothing" else PATIENT_SECONDS)


def test_properties_that_make_no_sense_close_the_connection(tmp_path: Path) -> None:
    async def act(client: ConnectionCacheService, service: Service, warnings: list[str]) -> None:
        near, far = a_pair()
        with near, far:
            await client.save(near.fileno(), PLACE, FACTS, 2)
            label, (_, descriptor) = service.endpoints.popitem()
            service.endpoints[label] = "tls_level=soon\n\n", descriptor
            near.close()
            assert await client.find_endpoint(PLACE) is None
            far.setblocking(False)
            assert await asyncio.get_running_loop().sock_recv(far, 10) == b""
        assert "make no sense" in warnings[0]
        assert client.is_available

    play(tmp_path, act)


def test_who_gives_up_in_the_middle_does_not_confuse_the_next(tmp_path: Path) -> None:
    async def act(client: ConnectionCacheService, service: Service, warnings: list[str]) -> None:
        reached = asyncio.Event()

        async def wait(dialogue: ServiceDialogue, request: str) -> bool:
            reached.set()
            await asyncio.Event().wait()
            return True

        service.spoil = wait
        asking = asyncio.create_task(client.find_endpoint(PLACE))
        await reached.wait()
        asking.cancel()
        await asyncio.wait([asking])
        service.spoil = None
        assert await client.find_endpoint(PLACE) is None
        assert service.connections == 2
        assert not warnings

    play(tmp_path, act)
