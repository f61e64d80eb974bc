"""A far side that misbehaves and remembers what it has taken, from whom and when: for tests that kill the near side.

It is a process of its own, so that its clock says when a reply was written, whatever the tests are busy with:
`python -m tests.node.far_side SEED MANNERS` says its port on standard output, becomes friendly when it reads a line, and
at the end of its input says as JSON what it has taken.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import socket
import subprocess
import sys
import time
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

FINAL_RECIPIENT = re.compile(rb"^Final-Recipient: rfc822; *([^\s]+)", re.MULTILINE | re.IGNORECASE)
SENDER = "alice@here.example"
"""Who sends all the mail, and hears of what cannot be delivered."""

BACKLOG = 1000

TCP_ESTABLISHED = 1
"""The first octet of `TCP_INFO` (tcp(7)) is the state of the connection."""

FAREWELL_SECONDS = 2.0
"""How long the last words have to arrive."""


@dataclass(frozen=True, slots=True)
class Manners:
    """How often it does what (shares of 1), and how slow its last reply is."""

    busy: float = 0.03  # 421 instead of a greeting
    garbage: float = 0.01  # instead of a greeting, or in front of a last reply
    deaf: float = 0.01  # hangs up where a greeting is due
    refusal: float = 0.01  # 554 to the end of the message
    deferral: float = 0.04  # 451 to MAIL, RCPT, or the end of the message
    close: float = 0.02  # 421 to MAIL, and hangs up
    early_loss: float = 0.03  # hangs up in the middle of the content
    late_loss: float = 0.02  # takes the message and hangs up without a word
    stall: float = 0.005  # takes the message and says nothing any more
    slow: float = 0.1
    slow_seconds: float = 0.2


FRIENDLY = Manners(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)

CROWD = Manners(0, 0, 0, 0, 0, 0, 0, 0, 0, slow=1.0, slow_seconds=1.0)
"""Everything is taken, and each last reply takes its time: many messages are between the dot and the reply at any time."""

MANNERS = {"wild": Manners(), "crowd": CROWD}


class Copy(NamedTuple):
    """A message that was taken for a recipient; times of `time.monotonic`.

    `life` is what its sender said in EHLO: a process can be dead when what it has sent is read.
    `said_seconds` is when the 250 was written; None where that was never done, or the other end had hung up before.
    """

    life: str
    taken_seconds: float
    said_seconds: float | None


class _Talk:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self._writer = writer
        self.life = ""
        self.is_open = False  # MAIL was taken
        self.by_chunks = False
        self.sender = ""
        self.recipients: list[str] = []
        self.text = b""

    def is_heard(self) -> bool:
        """Whether the other end has not closed, as far as the kernel knows; what we have read may be behind."""
        connection = self._writer.get_extra_info("socket")
        facts = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)
        return bool(facts[0] == TCP_ESTABLISHED)

    async def say(self, line: bytes) -> None:
        self._writer.write(line + b"\r\n")
        await self._writer.drain()


class FarSide:
    """An SMTP server on every loopback address.

    `copies` has, for each recipient, what was taken; `told` holds recipients that stand in notices.
    """

    def __init__(self, seed: int, manners: Manners) -> None:
        self._random = random.Random(seed)
        self.manners = manners
        self.copies: defaultdict[str, list[Copy]] = defaultdict(list)
        self.told: set[str] = set()

    async def listen(self) -> int:
        """Begin; the port."""
        self._server = await asyncio.start_server(self._serve, "0.0.0.0", 0, limit=2**20, backlog=BACKLOG)
        return int(self._server.sockets[0].getsockname()[1])

    def _chance(self, share: float) -> bool:
        return self._random.random() < share

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await self._converse(_Talk(reader, writer))
            # A close with octets that nobody has read resets the connection, and takes replies with it that were there.
            if not reader.at_eof():
                writer.write_eof()
                async with asyncio.timeout(FAREWELL_SECONDS):
                    while await reader.read(2**16):
                        pass
        writer.close()

    async def _greet(self, talk: _Talk) -> bool:
        manners = self.manners
        if self._chance(manners.deaf):
            return False
        if self._chance(manners.busy):
            await talk.say(b"421 4.3.2 busy")
            return False
        await talk.say(b"\xff\x00\x1b[2Jwhat?" if self._chance(manners.garbage) else b"220 far.example ESMTP")
        return True

    async def _converse(self, talk: _Talk) -> None:
        if not await self._greet(talk):
            return
        chunking = self._chance(0.5)
        while line := await talk.reader.readline():
            word = line[:4].upper()
            if word == b"EHLO":
                talk.life = line[4:].decode("latin-1").strip()
                await talk.say(b"250-far.example\r\n250-PIPELINING\r\n" + b"250-CHUNKING\r\n" * chunking + b"250 8BITMIME")
            elif word == b"MAIL":
                if not await self._begin(talk, line):
                    return
            elif word == b"RCPT":
                await self._consider(talk, line)
            elif word in (b"DATA", b"BDAT"):
                if not await (self._take_data(talk) if word == b"DATA" else self._take_chunk(talk, line)):
                    return
            elif word == b"QUIT":
                await talk.say(b"221 bye")
                return
            else:
                if word == b"RSET":
                    talk.is_open, talk.recipients, talk.text = False, [], b""
                await talk.say(b"250 2.0.0 Ok")

    async def _begin(self, talk: _Talk, line: bytes) -> bool:
        talk.sender, talk.recipients, talk.text = _address(line), [], b""
        if self._chance(self.manners.close):
            await talk.say(b"421 4.3.2 enough for today")
            return False
        talk.is_open = not self._chance(self.manners.deferral)
        await talk.say(b"250 2.1.0 Ok" if talk.is_open else b"451 4.3.0 later")
        return True

    async def _consider(self, talk: _Talk, line: bytes) -> None:
        address = _address(line)
        if not talk.is_open:
            await talk.say(b"503 5.5.1 MAIL first")
        elif address.startswith("bad"):
            await talk.say(b"550 5.1.1 nobody")
        elif self._chance(self.manners.deferral):
            await talk.say(b"451 4.3.0 later")
        else:
            talk.recipients.append(address)
            await talk.say(b"250 2.1.5 Ok")

    async def _take_data(self, talk: _Talk) -> bool:
        """Read a message; False where the connection is to end."""
        if not talk.recipients:
            await talk.say(b"554 5.5.1 no valid recipients")
            return True
        await talk.say(b"354 go ahead")
        is_cut = self._chance(self.manners.early_loss)
        lines = []
        while (line := await talk.reader.readline()) != b".\r\n":
            if not line or is_cut:
                return False
            lines.append(line)
        talk.text = b"".join(lines)
        return await self._answer(talk)

    async def _take_chunk(self, talk: _Talk, line: bytes) -> bool:
        talk.by_chunks = True
        words = line.split()
        talk.text += await talk.reader.readexactly(int(words[1]))
        if self._chance(self.manners.early_loss):
            return False
        if not talk.recipients:
            await talk.say(b"554 5.5.1 no valid recipients")
            return True
        if len(words) < 3:
            await talk.say(b"250 2.0.0 more")
            return True
        return await self._answer(talk)

    async def _answer(self, talk: _Talk) -> bool:
        """The whole message is there."""
        manners = self.manners
        if self._chance(manners.refusal) and talk.sender:  # nobody is told of a notice that is refused
            await talk.say(b"554 5.7.1 not this one")
        elif self._chance(manners.deferral):
            await talk.say(b"451 4.3.0 not now")
        else:
            if not talk.by_chunks and self._chance(manners.garbage):
                # The reply proper follows.  Not within a stream of whole messages: that is broken off where it gets out of
                # step, and what the server has still taken of it comes once more.
                await talk.say(b"\x80\x00rubbish")
            return await self._keep(talk)
        return True

    async def _keep(self, talk: _Talk) -> bool:
        manners, taken = self.manners, time.monotonic()
        if self._chance(manners.late_loss):
            self._count(talk, taken, None)
            return False
        if self._chance(manners.stall):
            self._count(talk, taken, None)
            await talk.reader.read()
            return False
        if self._chance(manners.slow):
            await asyncio.sleep(self._random.random() * manners.slow_seconds)
        if not talk.is_heard():
            self._count(talk, taken, None)
            return False
        said = time.monotonic()
        self._count(talk, taken, said)
        await talk.say(b"250 2.0.0 taken")
        return True

    def _count(self, talk: _Talk, taken: float, said: float | None) -> None:
        copy = Copy(talk.life, taken, said)
        for address in talk.recipients:
            self.copies[address].append(copy)
        if SENDER in talk.recipients and said is not None:
            self.told.update(address.decode() for address in FINAL_RECIPIENT.findall(talk.text))


def _address(line: bytes) -> str:
    return line.partition(b"<")[2].partition(b">")[0].decode("latin-1").lower()


class FarProcess:
    """A far side in a process of its own.  `manners`: a name of `MANNERS`."""

    def __init__(self, seed: int, manners: str) -> None:
        command = [sys.executable, "-m", "tests.node.far_side", str(seed), manners]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())
        self.copies: dict[str, list[Copy]] = {}
        self.told: set[str] = set()

    def become_friendly(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("friendly\n")
        self._process.stdin.flush()

    def finish(self) -> None:
        """From now on `copies` and `told` are what it has taken."""
        said, _ = self._process.communicate(timeout=60)
        copies, told = json.loads(said)
        self.copies = {address: [Copy(*copy) for copy in its] for address, its in copies.items()}
        self.told = set(told)

    def abandon(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()


async def main(seed: int, manners: str) -> None:
    far = FarSide(seed, MANNERS[manners])
    print(await far.listen(), flush=True)
    while await asyncio.to_thread(sys.stdin.readline):
        far.manners = FRIENDLY
    print(json.dumps([far.copies, sorted(far.told)]))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2]))
