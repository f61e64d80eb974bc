"""A message that comes on standard input: read once, to its end, and then read again for every attempt.

Up to `HELD_OCTETS` it is kept in memory; a longer one goes into a temporary file without a name, which is gone with the
process, however that ends.

What can go wrong: input that cannot be read, or a disk that is full, make an `UnreadableMessage`, which is deferred.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import IO, BinaryIO

from mailrider.errors import MissingInput
from mailrider.spool.message import CHUNK_OCTETS, FileMessage, MemoryMessage, Message, UnreadableMessage

HELD_OCTETS = 4 * 1024 * 1024
"""A longer message costs less on disk than in memory, where it is held twice while its line ends are looked at."""

_DESCRIPTORS = Path("/proc/self/fd")
"""Where a file without a name can be opened again.  Where this is missing, memory has to do."""


class _SpilledMessage(FileMessage):
    """A message in a file that lives as long as this object."""

    __slots__ = ("_file",)

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        super().__init__(str(_DESCRIPTORS / str(file.fileno())))

    def __del__(self) -> None:
        self._file.close()


def open_standard_input(what: str) -> BinaryIO:
    """Standard input as octets.  Raises `MissingInput` with `what` cannot be read where the caller has closed it."""
    if sys.stdin is None:
        raise MissingInput(f"cannot read {what}: standard input is closed")
    return sys.stdin.buffer


def read_standard_input() -> Message | UnreadableMessage:
    """The message.  It is read here and now, so that Ctrl-C still ends the command."""
    try:
        octets = _read(HELD_OCTETS)
        if len(octets) < HELD_OCTETS or not _DESCRIPTORS.exists():
            return MemoryMessage(octets + _read(-1))
        return _spill(octets)
    except OSError as cause:
        return UnreadableMessage(f"cannot read standard input: {cause.strerror or cause}")
    except MissingInput as fault:
        return UnreadableMessage(str(fault))


def _read(size_octets: int) -> bytes:
    return open_standard_input("the message").read(size_octets)


def _spill(beginning: bytes) -> _SpilledMessage:
    file = tempfile.TemporaryFile(prefix="mailrider-")  # noqa: SIM115 (the message closes it)
    try:
        piece = beginning
        while piece:
            file.write(piece)
            piece = _read(CHUNK_OCTETS)
        file.flush()
        return _SpilledMessage(file)
    except BaseException:
        file.close()
        raise
