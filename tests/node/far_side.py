"""A far side that misbehaves and remembers what it has taken: for tests that kill the near side."""

from __future__ import annotations

import asyncio
import random
import re
import threading
from collections import Counter
from contextlib import suppress
from types import TracebackType
from typing import Self

TOKEN = re.compile(rb"token-[0-9]+")


class FarSide:
    """An SMTP server in a thread.

    `taken` counts, for each token, the messages that got their 250 (the reply was written to a connection that was open),
    `swallowed` those that were taken without a reply; `told` holds tokens that stand in notices.  `friendly`: it behaves.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.taken: Counter[str] = Counter()
        self.swallowed: Counter[str] = Counter()
        self.told: set[str] = set()
        self.friendly = False
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(20)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(20)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0, limit=2**20))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0.05))
        self._loop.close()

    def _chance(self, share: float) -> bool:
        return not self.friendly and self._random.random() < share

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await self._converse(reader, writer)
        writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def say(line: bytes) -> None:
            writer.write(line + b"\r\n")
            await writer.drain()

        await say(b"421 4.3.2 busy" if self._chance(0.05) else b"220 far.example ESMTP")
        recipients = 0
        while line := await reader.readline():
            word = line[:4].upper()
            if word == b"EHLO":
                await say(b"250-far.example\r\n250-PIPELINING\r\n250 8BITMIME")
            elif word == b"RCPT":
                if line.lower().startswith(b"rcpt to:<bad"):
                    await say(b"550 5.1.1 nobody")
                elif self._chance(0.1):
                    await say(b"451 4.3.0 later")
                else:
                    recipients += 1
                    await say(b"250 2.1.5 Ok")
            elif word == b"DATA":
                if not recipients:
                    await say(b"554 5.5.1 no valid recipients")
                    continue
                await say(b"354 go ahead")
                if await self._take(reader, say):
                    return
                recipients = 0
            elif word == b"QUIT":
                await say(b"221 bye")
                return
            else:
                recipients = 0 if word in (b"MAIL", b"RSET") else recipients
                await say(b"250 2.0.0 Ok")

    async def _take(self, reader: asyncio.StreamReader, say: object) -> bool:
        """Read a message; True where the connection is to end."""
        lines = []
        while (line := await reader.readline()) != b".\r\n":
            if not line:
                return True
            lines.append(line)
        if self._chance(0.05):
            return True  # nothing was taken
        if self._chance(0.1):
            await asyncio.sleep(self._random.random() / 5)
        text = b"".join(lines)
        tokens = [token.decode() for token in TOKEN.findall(text)]
        is_notice = b"multipart/report" in text
        if self._chance(0.01):
            self._count(self.swallowed, tokens, is_notice)
            return True  # taken, and never said
        self._count(self.taken, tokens, is_notice)
        await say(b"250 2.0.0 taken")  # type: ignore[operator]
        return False

    def _count(self, where: Counter[str], tokens: list[str], is_notice: bool) -> None:
        if is_notice:
            self.told.update(tokens)
        elif tokens:
            where[tokens[0]] += 1
