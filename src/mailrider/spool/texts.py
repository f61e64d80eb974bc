"""The texts of small messages, which are rows of the database.

The texts of the messages that are leased together are asked for together, which costs a fifth of asking for each, and each is
given out once from memory; whoever wants it a second time asks for its row.  What is held so is bounded by
`AHEAD_LIMIT_OCTETS` in all.

What can go wrong: the row is gone, or cannot be read: `ContentUnreadable`.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence

from mailrider.errors import ContentUnreadable

AHEAD_LIMIT_OCTETS = 16 * 1024 * 1024
"""A few thousand letters: more than are sent in a second."""

_ONE = "SELECT octets FROM content WHERE key = ?"
_MANY = "SELECT key, octets FROM content WHERE key IN (SELECT value FROM json_each(?))"


class Texts:
    """The texts behind a connection, which belongs to them alone: it gives texts as octets."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        connection.text_factory = bytes
        self._connection = connection
        self._ahead: dict[int, bytes] = {}  # read, and not given to a `RowContent` yet
        self.held_octets = 0

    def look_ahead(self, keys: Sequence[int], size_octets: int) -> None:
        """Read the texts of these messages, which have so many octets, unless too much is held already."""
        self._ahead = {}
        if not keys or self.held_octets + size_octets > AHEAD_LIMIT_OCTETS:
            return
        self._ahead = dict(self._connection.execute(_MANY, (json.dumps(keys),)).fetchall())

    def content(self, key: int, size_octets: int) -> RowContent:
        """The text of a message."""
        return RowContent(self, key, size_octets, self._ahead.pop(key, None))

    def read(self, key: int) -> bytes:
        """The text of a message, from its row.  Raises `ContentUnreadable`."""
        try:
            row = self._connection.execute(_ONE, (key,)).fetchone()
        except sqlite3.Error as cause:
            raise ContentUnreadable(f"the queue cannot be read: {cause}") from None
        if row is None:
            raise ContentUnreadable("the message has been deleted from the queue")
        octets: bytes = row[0]
        return octets

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


class RowContent:
    """The text of a message in the database, as a `model.request.Content`; `key` is that of the message."""

    __slots__ = ("_octets", "_texts", "key", "size_octets")

    def __init__(self, texts: Texts, key: int, size_octets: int, octets: bytes | None) -> None:
        self._texts = texts
        self._octets = octets
        self.key = key
        self.size_octets = size_octets
        if octets is not None:
            texts.held_octets += size_octets

    def __del__(self) -> None:
        self._let_go()

    def _let_go(self) -> bytes | None:
        octets, self._octets = self._octets, None
        if octets is not None:
            self._texts.held_octets -= self.size_octets
        return octets

    def chunks(self) -> Iterator[bytes]:
        """The text in one piece; raises `ContentUnreadable`."""
        octets = self._let_go()
        return iter((self._texts.read(self.key) if octets is None else octets,))
