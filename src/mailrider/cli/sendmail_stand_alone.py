"""`sendmail -bs`: SMTP on standard input and output, answered by the node's own door and kept in its queue.

The door is that of `mailrider serve`, on a unix socket in a folder that nobody else can enter; what comes in on standard
input is carried to it, and its replies to standard output.  It works whether a node is running or not.

Programs on a pipe often end their lines with LF alone: who does so in his first line does so in all, and is understood.

When standard input ends without QUIT, what has been said is still answered: the conversation is over when nothing has come
from the door for `LINGER_SECONDS`.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path

from mailrider.machine import read_settings
from mailrider.model.printable import make_printable
from mailrider.settings import Settings

READ_OCTETS = 64 * 1024
"""What is read at once: what a pipe holds (pipe(7))."""

PIECES_LIMIT = 8
"""Pieces of input in memory."""

LINGER_SECONDS = 2.0
"""How long the door may be silent after the input has ended; storing a message takes less."""

GRACE_SECONDS = 1.0
"""For what the door has still to do when nobody listens to it any more."""

SOCKET_NAME = "smtp"

_BARE_LF = re.compile(rb"(?<!\r)\n")


def run_stand_alone(directory: Path | None, overrides: Sequence[str]) -> int:
    """One conversation; always 0, since the client has been told everything."""
    with tempfile.TemporaryDirectory(prefix="mailrider-") as folder:
        path = f"{folder}/{SOCKET_NAME}"
        given = [*overrides, f"intake_smtp_listen=unix:{path}", "intake_lmtp_listen="]
        settings = read_settings(directory, given)
        settings.check()
        asyncio.run(_converse(settings, path))
    return 0


def _tell(sentence: str) -> None:
    print(f"mailrider sendmail: {make_printable(sentence)}", file=sys.stderr)


async def _converse(settings: Settings, path: str) -> None:
    from mailrider.intake.configuration import Intake
    from mailrider.spool.opening import open_spool

    intake = Intake(settings, _tell if os.environ.get("MAIL_VERBOSE") else lambda sentence: None)
    async with open_spool(settings.queue_directory, report=_tell) as spool:
        await intake.start(spool)
        try:
            reader, writer = await asyncio.open_unix_connection(path)
            carrying = asyncio.create_task(_carry_input(writer))
            await _carry_replies(reader, carrying)
            carrying.cancel()
            writer.close()
        finally:
            await intake.close(GRACE_SECONDS)


async def _carry_input(writer: asyncio.StreamWriter) -> None:
    """Standard input to the door.  It may be a file, which no event loop can watch: a thread reads it."""
    loop = asyncio.get_running_loop()
    pieces: asyncio.Queue[bytes] = asyncio.Queue()
    room = threading.Semaphore(PIECES_LIMIT)

    def read() -> None:
        while True:
            room.acquire()
            piece = os.read(0, READ_OCTETS)
            try:
                loop.call_soon_threadsafe(pieces.put_nowait, piece)
            except RuntimeError:
                return  # the conversation is over
            if not piece:
                return

    threading.Thread(target=read, daemon=True).start()  # it may wait for ever: nobody waits for it at the end
    endings = LineEndings()
    while piece := await pieces.get():
        writer.write(endings.complete(piece))
        await writer.drain()
        room.release()


class LineEndings:
    """Completes the line ends of somebody whose first line ends with LF alone."""

    __slots__ = ("_bare", "_returned")

    def __init__(self) -> None:
        self._bare: bool | None = None  # nobody knows before the end of the first line
        self._returned = False  # the last octet was CR

    def complete(self, piece: bytes) -> bytes:
        """The next piece of what he says, fit for SMTP."""
        returned, self._returned = self._returned, piece.endswith(b"\r")
        if self._bare is None:
            end = piece.find(b"\n")
            if end >= 0:
                self._bare = piece[end - 1 : end] != b"\r" if end else not returned
        if not self._bare:
            return piece
        fitted = _BARE_LF.sub(b"\r\n", piece)
        return fitted[1:] if returned and piece.startswith(b"\n") else fitted


async def _carry_replies(reader: asyncio.StreamReader, carrying: asyncio.Task[None]) -> None:
    """Replies of the door to standard output, until it closes."""
    while True:
        try:
            async with asyncio.timeout(LINGER_SECONDS):
                replies = await reader.read(READ_OCTETS)
        except TimeoutError:
            if carrying.done():
                return
            continue
        if not replies:
            return
        view = memoryview(replies)
        while view:
            view = view[os.write(1, view) :]
