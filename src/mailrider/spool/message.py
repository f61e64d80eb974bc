"""Message content as a `model.request.Content`: in memory, or in a file that is read again for every attempt.

Both give canonical text (CRLF line ends, see `content.canonical`), whatever they were made from.  A message of up to
`MEMORY_LIMIT_OCTETS` is held in memory; a larger file is measured once and then streamed, so that its size costs
no memory.

What can go wrong: a file that changes or vanishes between two attempts, or while it is read.  Reading it then raises
`errors.ContentUnreadable`, and the attempt breaks off without the final dot.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

from mailrider.content.canonical import Canonicalizer, canonicalize, finds_8bit_label
from mailrider.content.lines import look_once
from mailrider.errors import ContentUnreadable, MissingInput
from mailrider.model.texts import clip, show

MEMORY_LIMIT_OCTETS = 256 * 1024
"""Up to this size one read is cheaper than a second look at the file."""

CHUNK_OCTETS = 128 * 1024
"""How much is read at once: two socket buffers' worth."""

LOOK_OCTETS = 16 * 1024
"""How much is asked for first: most messages are shorter, and a larger buffer takes longer to get than they to read."""

HEADER_LOOK_OCTETS = 64 * 1024
"""How far the label of the primary header is looked for."""

PIPE_LIMIT = 8
"""How many times as much is held in memory of something that cannot be read twice."""


class MemoryMessage:
    """A message held in memory."""

    __slots__ = ("labelled_8bit", "octets")

    def __init__(self, octets: bytes) -> None:
        self.octets = look_once(canonicalize(octets))
        self.labelled_8bit = finds_8bit_label(self.octets)

    @property
    def size_octets(self) -> int:
        """Octets with CRLF line ends."""
        return len(self.octets)

    def chunks(self) -> Iterator[bytes]:
        """The text in one piece."""
        return iter((self.octets,))


class FileMessage:
    """A message in a plain file."""

    __slots__ = ("_path", "_stamp", "labelled_8bit", "size_octets")

    def __init__(self, path: str) -> None:
        self._path = path
        self._stamp: tuple[int, ...] = ()  # what the file was when it was measured
        self.labelled_8bit = False
        size = 0
        try:
            for number, chunk in enumerate(self.chunks()):
                if number == 0:
                    self.labelled_8bit = finds_8bit_label(chunk[:HEADER_LOOK_OCTETS])
                size += len(chunk)
        except ContentUnreadable as cause:
            raise MissingInput(f"cannot read message file {path}: {cause}") from None
        self.size_octets = size

    def chunks(self) -> Iterator[bytes]:
        """The text from its beginning, read anew."""
        canonicalizer = Canonicalizer()
        try:
            with open(self._path, "rb", buffering=0) as file:
                self._compare(file.fileno())
                while piece := file.read(CHUNK_OCTETS):
                    yield canonicalizer.feed(piece)
                self._compare(file.fileno())
        except OSError as cause:
            raise ContentUnreadable(cause.strerror or str(cause)) from cause
        rest = canonicalizer.finish()
        if rest:
            yield rest

    def _compare(self, descriptor: int) -> None:
        found = os.fstat(descriptor)
        stamp = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
        self._stamp = self._stamp or stamp
        if stamp != self._stamp:
            raise ContentUnreadable("the file has changed")


class UnreadableMessage:
    """A message that was there and is gone: whoever reads it learns why."""

    __slots__ = ("_reason",)

    labelled_8bit = False
    size_octets = 0

    def __init__(self, reason: str) -> None:
        self._reason = reason

    def chunks(self) -> Iterator[bytes]:
        """Raises `ContentUnreadable`."""
        raise ContentUnreadable(self._reason)


Message = MemoryMessage | FileMessage


def read_message(path: str) -> Message:
    """The message in a file.  Raises `MissingInput` when it cannot be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as cause:
        raise MissingInput(f"cannot open message file {clip(path)}: {cause.strerror}") from None
    except ValueError as cause:
        raise MissingInput(f"cannot open message file {show(path)}: {cause}") from None
    try:
        octets = os.read(descriptor, LOOK_OCTETS)
        asked = LOOK_OCTETS if len(octets) < LOOK_OCTETS else MEMORY_LIMIT_OCTETS
        while more := os.read(descriptor, asked):
            octets += more  # a pipe gives what it has
            if len(octets) > MEMORY_LIMIT_OCTETS and stat.S_ISREG(os.fstat(descriptor).st_mode):
                return FileMessage(path)
            if len(octets) > MEMORY_LIMIT_OCTETS * PIPE_LIMIT:
                raise MissingInput(f"message file {path} is not a plain file and too large to be held in memory")
    except OSError as cause:
        raise MissingInput(f"cannot read message file {path}: {cause.strerror}") from None
    finally:
        os.close(descriptor)
    return MemoryMessage(octets)
