"""Messages that were read lately, for batches in which many requests send the same file.

A file counts as the same as long as its inode, size and modification time are; so a message that is written anew is read anew.
Only messages that fit in memory are kept, the latest ones, `SHELF_LIMIT_OCTETS` in all.
"""

from __future__ import annotations

import os

from mailrider.spool.message import MemoryMessage, Message, read_message

SHELF_LIMIT_OCTETS = 8 * 1024 * 1024
"""A few thousand letters; more would only keep old ones."""


class MessageShelf:
    """Reads message files, and remembers the small ones."""

    __slots__ = ("_messages", "_octets")

    def __init__(self) -> None:
        self._messages: dict[tuple[str, int, int, int], MemoryMessage] = {}
        self._octets = 0

    def read(self, path: str) -> Message:
        """The message in a file.  Raises `MissingInput` when it cannot be read."""
        try:
            facts = os.stat(path)
        except OSError:
            return read_message(path)  # which says what is wrong
        key = (path, facts.st_ino, facts.st_size, facts.st_mtime_ns)
        known = self._messages.get(key)
        if known is not None:
            return known
        message = read_message(path)
        if isinstance(message, MemoryMessage):
            self._keep(key, message)
        return message

    def _keep(self, key: tuple[str, int, int, int], message: MemoryMessage) -> None:
        self._messages[key] = message
        self._octets += message.size_octets
        while self._octets > SHELF_LIMIT_OCTETS:
            oldest = next(iter(self._messages))
            self._octets -= self._messages.pop(oldest).size_octets
