"""The text of a message while it comes in: in memory as long as it is small, then in a file.

A file is written in a thread, in pieces of `files.WRITE_OCTETS`, and is on stable storage when `finish` returns; it stays
locked until the message has been accepted or not, so that no `sweep` takes it away in between.

What can go wrong: the disk is full or broken.  `has_failed` then tells an `OSError` of the storage from one of the door that
brings the text.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Callable
from typing import NamedTuple

from mailrider.spool.files import RESERVE_OCTETS, SMALL_OCTETS, WRITE_OCTETS, Files, why_not
from mailrider.spool.spool import Chunks, NotAccepted, Unaccepted


class Gathered(NamedTuple):
    """The text of a message: `octets`, or the descriptor of its file, which is still locked."""

    octets: bytes
    size_octets: int
    descriptor: int | None


async def gather_content(files: Files, name: str, content: Chunks) -> Gathered | NotAccepted:
    """The text of a message, in memory or in a file that is on stable storage.  What the door raises passes through."""
    if isinstance(content, bytes) and len(content) <= SMALL_OCTETS:
        return Gathered(content, len(content), None)
    gathering = Gathering(files, name)
    try:
        if isinstance(content, AsyncIterable):
            async for chunk in content:
                await gathering.add(chunk)
        else:
            for chunk in (content,) if isinstance(content, bytes) else content:
                await gathering.add(chunk)
        return await gathering.finish()
    except BaseException as cause:
        gathering.abandon()
        if isinstance(cause, OSError) and gathering.has_failed:
            return gathering.why_not(cause)
        raise


class Gathering:
    """Takes the text of one message.  `name` is that of its file, should it need one."""

    __slots__ = ("_descriptor", "_files", "_held", "_name", "_operation", "_pieces", "_size", "has_failed")

    def __init__(self, files: Files, name: str) -> None:
        self._files = files
        self._name = name
        self._pieces: list[bytes] = []
        self._held = 0  # octets in `_pieces`
        self._size = 0
        self._descriptor: int | None = None
        self._operation: asyncio.Future[None] | None = None
        self.has_failed = False

    async def add(self, chunk: bytes) -> None:
        """Take a piece.  Raises `OSError`."""
        self._pieces.append(chunk)
        self._held += len(chunk)
        self._size += len(chunk)
        if self._held > (SMALL_OCTETS if self._descriptor is None else WRITE_OCTETS):
            await self._write()

    async def finish(self) -> Gathered | NotAccepted:
        """The end of the text; it is in memory or on stable storage.  Raises `OSError`."""
        if self._descriptor is None:
            return Gathered(b"".join(self._pieces), self._size, None)
        if self._held:
            await self._write()
        if not self._files.has_room():
            self.abandon()
            return NotAccepted(Unaccepted.FULL, f"less than {RESERVE_OCTETS} octets are left for messages")
        descriptor = self._descriptor
        await self._try(lambda: self._files.synchronize(descriptor))
        return Gathered(b"", self._size, descriptor)

    async def _write(self) -> None:
        octets = b"".join(self._pieces)
        self._pieces.clear()
        self._held = 0
        if self._descriptor is None:
            try:
                self._descriptor = self._files.create(self._name)
            except OSError:
                self.has_failed = True
                raise
        descriptor = self._descriptor
        await self._try(lambda: self._files.write(descriptor, octets))

    async def _try(self, operation: Callable[[], None]) -> None:
        self._operation = asyncio.get_running_loop().run_in_executor(None, operation)
        try:
            await asyncio.shield(self._operation)
        except OSError:
            self.has_failed = True
            raise

    def abandon(self) -> None:
        """The message will not be accepted: nothing of it stays."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is None:
            return
        self._files.remove(self._name)
        if self._operation is not None and not self._operation.done():  # a thread is still writing to it
            self._operation.add_done_callback(self._close_after(descriptor))
        else:
            self._files.close(descriptor)

    def _close_after(self, descriptor: int) -> Callable[[asyncio.Future[None]], None]:
        def close(done: asyncio.Future[None]) -> None:
            done.exception()  # nobody else will look at it
            self._files.close(descriptor)

        return close

    def why_not(self, cause: OSError) -> NotAccepted:
        """Why the storage did not take it."""
        return NotAccepted(why_not(cause), cause.strerror or str(cause))
