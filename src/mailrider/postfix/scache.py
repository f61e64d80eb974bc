"""scache(8), the connection cache that all agents of a Postfix share, as its client (`delivery.shared_cache.SharedCache`).

One connection to the service serves all deliveries of a process, one question after the other; each has
`connection_cache_protocol_timeout`.  Descriptors go along in a message of one octet, for which both sides wait for each other:
an octet that is read too early is a descriptor lost.

What can go wrong: a question that fails is asked once more over a new connection.  Where that fails too, there is one warning,
and the service is left alone for `REST_SECONDS`; connections are closed then instead of kept.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from mailrider.attributes.plain import Attributes, MalformedAttributes, Value, encode_attributes
from mailrider.delivery.shared_cache import Facts, Found, Place
from mailrider.postfix import scache_labels as labels
from mailrider.postfix.services import ServiceDialogue, connect_service

PROTOCOL: Final = "connection_cache_protocol"

REST_SECONDS: Final = 60.0
"""A service that is broken costs each delivery its time limit: once a minute is enough to find out that it is back."""

TRIES: Final = 2
"""scache(8) ends when it has been idle: a connection that was open until now says nothing about a new one."""

_FOUND: Final = 0

_DUMMY = encode_attributes([("dummy", "")])

Result = TypeVar("Result")


class ConnectionCacheService:
    """The scache(8) of an installation.  Belongs to one event loop; `warn` hears why connections are not shared for a while."""

    def __init__(
        self, path: str, release: tuple[int, int], *, announces: bool, limit_seconds: float, warn: Callable[[str], None]
    ) -> None:
        self._path = path
        self._release = release
        self._announces = announces
        self._limit_seconds = limit_seconds
        self._warn = warn
        self._turn = asyncio.Lock()
        self._dialogue: ServiceDialogue | None = None
        self._loop = asyncio.get_running_loop()
        self._rests_until = 0.0

    @property
    def is_available(self) -> bool:
        """See `SharedCache`."""
        return self._loop.time() >= self._rests_until

    async def save(self, descriptor: int, place: Place, facts: Facts, idle_seconds: float) -> None:
        """See `SharedCache`."""
        endpoint = labels.label_endpoint(place, self._release)
        ttl = max(1, round(idle_seconds))

        async def save(dialogue: ServiceDialogue) -> None:
            if place.nexthop:
                name = labels.label_destination(place, self._release, saving=True)
                properties = labels.write_destination(place, facts, self._release)
                answer = await _ask(
                    dialogue,
                    [("request", "save_dest"), ("ttl", ttl), ("label", name), ("property", properties), ("label", endpoint)],
                )
                answer.integer(b"status")  # what it does not keep will not be found
                answer.end()
            answer = await _ask(
                dialogue,
                [("request", "save_endp"), ("ttl", ttl), ("label", endpoint), ("property", labels.write_endpoint(facts))],
            )
            answer.text(b"dummy")
            answer.end()
            await dialogue.send_descriptor(descriptor)
            answer = await dialogue.receive()
            answer.integer(b"status")
            answer.end()

        os.set_blocking(descriptor, True)  # as every other client expects it
        await self._converse(save)

    async def find_destination(self, place: Place) -> Found | None:
        """See `SharedCache`."""
        name = labels.label_destination(place, self._release, saving=False)

        async def find(dialogue: ServiceDialogue) -> tuple[int, str, str] | None:
            answer = await _ask(dialogue, [("request", "find_dest"), ("label", name)])
            status, destination = answer.integer(b"status"), answer.text(b"property")
            endpoint = answer.text(b"property")
            answer.end()
            return None if status != _FOUND else (await _take_descriptor(dialogue), endpoint, destination)

        return self._understand(await self._converse(find))

    async def find_endpoint(self, place: Place) -> Found | None:
        """See `SharedCache`."""
        name = labels.label_endpoint(place, self._release)

        async def find(dialogue: ServiceDialogue) -> tuple[int, str, str] | None:
            answer = await _ask(dialogue, [("request", "find_endp"), ("label", name)])
            status, endpoint = answer.integer(b"status"), answer.text(b"property")
            answer.end()
            return None if status != _FOUND else (await _take_descriptor(dialogue), endpoint, "")

        return self._understand(await self._converse(find))

    def close(self) -> None:
        """Hang up."""
        if self._dialogue is not None:
            self._dialogue.close()
            self._dialogue = None

    def _understand(self, found: tuple[int, str, str] | None) -> Found | None:
        if found is None:
            return None
        descriptor, endpoint, destination = found
        try:
            facts = labels.read_facts(endpoint, destination, self._release)
        except MalformedAttributes as fault:
            self._warn(f"{self._path}: a connection was kept with properties that make no sense: {fault}")
            facts = None
        if facts is None:
            os.close(descriptor)
            return None
        return Found(descriptor, facts)

    async def _converse(self, talk: Callable[[ServiceDialogue], Awaitable[Result]]) -> Result | None:
        async with self._turn:
            if not self.is_available:
                return None
            trouble = ""
            for _ in range(TRIES):
                try:
                    async with asyncio.timeout(self._limit_seconds):
                        return await talk(await self._connect())
                except TimeoutError:
                    trouble = f"no answer within {self._limit_seconds:g} seconds"
                except MalformedAttributes as fault:
                    trouble = str(fault)
                except (OSError, EOFError) as fault:
                    trouble = getattr(fault, "strerror", None) or str(fault)
                except BaseException:
                    self.close()  # in the middle of a conversation that nobody can go on with
                    raise
                self.close()
            self._rests_until = self._loop.time() + REST_SECONDS
            pause = f"no connection is shared for {REST_SECONDS:g} seconds"
            self._warn(f"problem talking to service {self._path}: {trouble}; {pause}")
            return None

    async def _connect(self) -> ServiceDialogue:
        if self._dialogue is None:
            self._dialogue = await connect_service(self._path)
            if self._announces:
                await self._dialogue.expect_protocol(PROTOCOL)
        return self._dialogue


async def _ask(dialogue: ServiceDialogue, question: list[tuple[str, Value]]) -> Attributes:
    await dialogue.send(encode_attributes(question))
    return await dialogue.receive()


async def _take_descriptor(dialogue: ServiceDialogue) -> int:
    await dialogue.send(_DUMMY)
    descriptor = await dialogue.receive_descriptor()
    try:
        await dialogue.send(_DUMMY)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
