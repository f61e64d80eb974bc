"""The workers of a node and the process that supervises them, in conversation.

Each worker has one stream socket to the supervisor.  What goes over it are frames: four octets of length, then JSON, a list
that begins with a word:

===============================  ==========================================================================
from a worker                    from the supervisor
===============================  ==========================================================================
`claim`, number, spots           `denied`, number, spots: the answer, at once
`back`, spots
`mail`, candidates               `mail`, candidates: of the others, and of the doors
`tell`, word, ...                any other word, with what belongs to it: an order
===============================  ==========================================================================

A worker whose supervisor is gone must end at once, because the next supervisor knows nothing of its claims; a supervisor learns
of the death of a worker from the one who has started it.

What can go wrong: a worker that does not read.  What is announced to it beyond `BEHIND_OCTETS` is dropped, and it is told
to look at everything as soon as it reads again.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from typing import Any

from mailrider.queue.claims import Claims
from mailrider.spool.fellowship import Candidate, Hearing
from mailrider.spool.leases import Spot

FRAME_LIMIT_OCTETS = 16 * 1024 * 1024
"""No frame of ours is a tenth of this: a longer one is no frame."""

BEHIND_OCTETS = 4 * 1024 * 1024
"""How much may wait for a worker that does not read."""

ANNOUNCED_LIMIT = 2000
"""Recipients that are announced one by one; of more the others hear only that there is something."""

_LENGTH = struct.Struct(">I")
_dump = json.JSONEncoder(separators=(",", ":")).encode
_load = json.JSONDecoder().decode

Word = list[Any]


class Conversation:
    """One end of a conversation."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def over(cls, end: socket.socket) -> Conversation:
        """A conversation over a socket, which belongs to it from now on."""
        end.setblocking(False)
        reader, writer = await asyncio.open_unix_connection(sock=end)
        return cls(reader, writer)

    def say(self, *word: Any) -> None:
        """Send a frame; nobody waits for it."""
        if not self._writer.is_closing():
            text = _dump(word).encode()
            self._writer.write(_LENGTH.pack(len(text)) + text)

    async def hear(self) -> Word | None:
        """The next frame; None when the other end is gone, or does not speak our language."""
        try:
            (length,) = _LENGTH.unpack(await self._reader.readexactly(_LENGTH.size))
            if length > FRAME_LIMIT_OCTETS:
                return None
            word = _load((await self._reader.readexactly(length)).decode())
        except (OSError, EOFError, ValueError):
            return None
        return word if isinstance(word, list) and word else None

    @property
    def waiting_octets(self) -> int:
        """What the other end has not taken yet."""
        return self._writer.transport.get_write_buffer_size()

    def close(self) -> None:
        """Hang up."""
        self._writer.close()

    async def finish(self) -> None:
        """Hang up when all has been sent."""
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()


class Hub:
    """The supervisor's side: keeps the claims and passes on what is announced.

    It is the `spool.fellowship.Fellowship` of the spool that the doors put mail into; nothing is leased there.  `heed` is
    called with what workers `tell`: the number of the worker, and the rest.
    """

    def __init__(self, heed: Callable[[int, Word], None]) -> None:
        self._heed = heed
        self._conversations: dict[int, Conversation] = {}
        self._behind: set[int] = set()
        self.claims = Claims()

    # As a fellowship

    def attend(self, hear: Hearing) -> None:
        """See `spool.fellowship.Fellowship`: nothing is leased here, so nobody has to hear."""

    def announce(self, candidates: Sequence[Candidate]) -> None:
        """See `spool.fellowship.Fellowship`."""
        self._pass_on(candidates if len(candidates) <= ANNOUNCED_LIMIT else (), sender=None)

    async def claim(self, spots: Sequence[Spot]) -> Collection[Spot]:
        """See `spool.fellowship.Fellowship`: nobody works here."""
        return spots

    def give_back(self, key: int, numbers: Collection[int]) -> None:
        """See `spool.fellowship.Fellowship`: nothing was claimed."""

    # With workers

    async def serve(self, worker: int, conversation: Conversation) -> None:
        """Converse with a worker until it hangs up.  What it has claimed stays its own until `bury`."""
        self._conversations[worker] = conversation
        while (word := await conversation.hear()) is not None:
            self._answer(worker, conversation, word)
        if self._conversations.get(worker) is conversation:
            del self._conversations[worker]
        conversation.close()

    def _answer(self, worker: int, conversation: Conversation, word: Word) -> None:
        match word:
            case ["claim", number, spots]:
                conversation.say("denied", number, self.claims.claim(worker, map(_spot, spots)))
            case ["back", spots]:
                self.claims.give_back(worker, map(_spot, spots))
            case ["mail", candidates]:
                self._pass_on(candidates, sender=worker)
            case ["tell", *rest]:
                self._heed(worker, rest)
        if worker in self._behind and conversation.waiting_octets < BEHIND_OCTETS:
            self._behind.discard(worker)
            conversation.say("mail", [])

    def _pass_on(self, candidates: Sequence[Any], *, sender: int | None) -> None:
        for worker, conversation in self._conversations.items():
            if worker == sender or worker in self._behind:
                continue
            if conversation.waiting_octets >= BEHIND_OCTETS:
                self._behind.add(worker)
            else:
                conversation.say("mail", candidates)

    def order(self, *word: Any) -> None:
        """Tell every worker."""
        for conversation in self._conversations.values():
            conversation.say(*word)

    @property
    def present(self) -> frozenset[int]:
        """The workers that can be spoken to."""
        return frozenset(self._conversations)

    def bury(self, worker: int) -> None:
        """A worker is dead: what it had claimed may be had, by whomever it belongs to."""
        if self.claims.bury(worker):
            self._pass_on((), sender=None)


class Member:
    """A worker's side: a `spool.fellowship.Fellowship`."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self._hear: Hearing = lambda candidates: None
        self._claims = 0
        self._asked: dict[int, asyncio.Future[list[Spot]]] = {}
        self._back: list[Spot] = []

    def attend(self, hear: Hearing) -> None:
        """See `spool.fellowship.Fellowship`."""
        self._hear = hear

    def announce(self, candidates: Sequence[Candidate]) -> None:
        """See `spool.fellowship.Fellowship`."""
        self._conversation.say("mail", candidates if len(candidates) <= ANNOUNCED_LIMIT else ())

    async def claim(self, spots: Sequence[Spot]) -> Collection[Spot]:
        """See `spool.fellowship.Fellowship`."""
        self._send_back()  # before the claim: some of it may be claimed again
        self._claims += 1
        number = self._claims
        answer: asyncio.Future[list[Spot]] = asyncio.get_running_loop().create_future()
        self._asked[number] = answer
        self._conversation.say("claim", number, spots)
        try:
            return await answer
        finally:
            del self._asked[number]

    def give_back(self, key: int, numbers: Collection[int]) -> None:
        """See `spool.fellowship.Fellowship`: what comes back together is told together."""
        if not self._back:
            asyncio.get_running_loop().call_soon(self._send_back)
        self._back += [(key, number) for number in numbers]

    def _send_back(self) -> None:
        if self._back:
            self._conversation.say("back", self._back)
            self._back = []

    def tell(self, *word: Any) -> None:
        """Tell the supervisor something."""
        self._conversation.say("tell", *word)

    async def run(self, heed: Callable[[Word], None]) -> None:
        """Converse until the supervisor is gone; `heed` is called with its orders."""
        while (word := await self._conversation.hear()) is not None:
            match word:
                case ["denied", number, spots]:
                    answer = self._asked.get(number)
                    if answer is not None and not answer.done():
                        answer.set_result([_spot(spot) for spot in spots])
                case ["mail", candidates]:
                    self._hear([(due, key, number, domain) for due, key, number, domain in candidates])
                case order:
                    heed(order)

    async def close(self) -> None:
        """Say what is left, and hang up."""
        self._send_back()
        await self._conversation.finish()


def _spot(told: Sequence[int]) -> Spot:
    key, number = told
    return key, number
