"""Messages that were read lately, for batches in which many requests send the same file.

A file counts as the same as long as its inode, size and modification time are, and that is looked at once in
`FRESH_SECONDS`; so a message that is written anew is read anew soon.  Only messages that fit in memory are kept, the latest
ones, `SHELF_LIMIT_OCTETS` in all.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from mailrider.spool.message import MemoryMessage, Message, read_message

SHELF_LIMIT_OCTETS = 8 * 1024 * 1024
"""A few thousand letters; more would only keep old ones."""


FRESH_SECONDS = 1.0
"""How long a file is taken to be what it was: one look costs as much as reading a letter that is in memory already."""

_Stamp = tuple[int, int, int]


class _Copy:
    """A message that was read, of which file, and when that was looked at last."""

    __slots__ = ("looked_seconds", "message", "stamp")

    def __init__(self, message: MemoryMessage, stamp: _Stamp, looked_seconds: float) -> None:
        self.message = message
        self.stamp = stamp
        self.looked_seconds = looked_seconds


class MessageShelf:
    """Reads message files, and remembers the small ones.  `now_seconds` is a clock that never goes back."""

    __slots__ = ("_copies", "_now_seconds", "_octets")

    def __init__(self, now_seconds: Callable[[], float]) -> None:
        self._copies: dict[str, _Copy] = {}
        self._now_seconds = now_seconds
        self._octets = 0

    def read(self, path: str) -> Message:
        """The message in a file.  Raises `MissingInput` when it cannot be read."""
        copy = self._copies.get(path)
        now = self._now_seconds()
        if copy is not None and now < copy.looked_seconds + FRESH_SECONDS:
            return copy.message
        try:
            facts = os.stat(path)
        except OSError:
            return read_message(path)  # which says what is wrong
        stamp = (facts.st_ino, facts.st_size, facts.st_mtime_ns)
        if copy is not None and copy.stamp == stamp:
            copy.looked_seconds = now
            return copy.message
        message = read_message(path)
        if isinstance(message, MemoryMessage):
            self._keep(path, _Copy(message, stamp, now))
        return message

    def _keep(self, path: str, copy: _Copy) -> None:
        self._forget(path)
        self._copies[path] = copy
        self._octets += copy.message.size_octets
        while self._octets > SHELF_LIMIT_OCTETS:
            self._forget(next(iter(self._copies)))

    def _forget(self, path: str) -> None:
        copy = self._copies.pop(path, None)
        if copy is not None:
            self._octets -= copy.message.size_octets
