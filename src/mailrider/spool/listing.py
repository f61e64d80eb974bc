"""Questions about a spool in SQLite: lists, single messages, counts.

A list is read in pages by key, so that its first page costs the same however much there is, and so that no question keeps the
database's log from being cut for long.

What can go wrong: `sqlite3.Error`, which `Questions` turns into `SpoolTrouble`.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import threading
from collections.abc import Callable
from typing import TypeVar

from mailrider.errors import SpoolTrouble
from mailrider.spool.orders import condition
from mailrider.spool.queue_id import key_of, queue_id_of
from mailrider.spool.rows import MessageRow, RecipientRow, decode_message, decode_open_recipient
from mailrider.spool.spool import HELD_SECONDS, DomainCount, OpenRecipient, Selection, Stats, StoredMessage
from mailrider.spool.sqlite_schema import MESSAGE_COLUMNS, RECIPIENT_COLUMNS

T = TypeVar("T")

_PAGE = f"SELECT {MESSAGE_COLUMNS} FROM message WHERE key > ? AND {{}} ORDER BY key LIMIT ?"
_ONE = f"SELECT {MESSAGE_COLUMNS} FROM message WHERE key = ?"
_RECIPIENTS = f"""SELECT {RECIPIENT_COLUMNS} FROM recipient
    WHERE message IN (SELECT value FROM json_each(?)) ORDER BY message, number"""

_TOTALS = "SELECT count(*), coalesce(sum(size), 0), coalesce(sum(held), 0), coalesce(min(arrival), 0) FROM message"
_COUNTS = "SELECT count(*), coalesce(sum(due <= ?), 0), coalesce(sum(due > ? AND due < ?), 0) FROM recipient"
_DOMAINS = """SELECT domain, count(*), min(arrival), min(due) FROM recipient JOIN message ON message.key = recipient.message
    GROUP BY domain ORDER BY count(*) DESC, domain"""


class Questions:
    """A connection for questions; each is put in a thread, one at a time, so that none holds up the event loop."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    async def ask(self, question: Callable[[sqlite3.Connection], T]) -> T:
        """The answer to a question.  Raises `SpoolTrouble`."""

        def answer() -> T:
            with self._lock:
                return question(self._connection)

        try:
            return await asyncio.to_thread(answer)
        except sqlite3.Error as cause:
            raise SpoolTrouble(f"the queue cannot be read: {cause}") from None

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def knows_file(connection: sqlite3.Connection, name: str) -> bool:
    """Whether a message has its text in the file of this name."""
    return connection.execute("SELECT 1 FROM message WHERE key = ? AND filed", (key_of(name),)).fetchone() is not None


def list_messages(connection: sqlite3.Connection, selection: Selection, after: str, limit: int) -> tuple[StoredMessage, ...]:
    """One page."""
    where, values = condition(selection)
    first = key_of(after) if after else -1
    rows = connection.execute(_PAGE.format(where), (first, *values, limit)).fetchall()
    return _with_recipients(connection, rows)


def show_message(connection: sqlite3.Connection, queue_id: str) -> tuple[StoredMessage, MessageRow] | None:
    """One message, and its row."""
    key = key_of(queue_id)
    rows = connection.execute(_ONE, (key,)).fetchall() if key is not None else []
    messages = _with_recipients(connection, rows)
    return (messages[0], MessageRow(*rows[0])) if messages else None


def _with_recipients(connection: sqlite3.Connection, rows: list[tuple[object, ...]]) -> tuple[StoredMessage, ...]:
    messages = [MessageRow(*row) for row in rows]  # type: ignore[arg-type]
    recipients: dict[int, list[OpenRecipient]] = {message.key: [] for message in messages}
    for key, *row in connection.execute(_RECIPIENTS, (json.dumps(list(recipients)),)):
        recipients[key].append(decode_open_recipient(RecipientRow(*row)))
    return tuple(
        [decode_message(message, queue_id_of(message.key), tuple(recipients[message.key])) for message in messages]
    )


def count_messages(connection: sqlite3.Connection, now_seconds: float) -> Stats:
    """All counts, as of one moment."""
    connection.execute("BEGIN")
    try:
        messages, size, held, oldest = connection.execute(_TOTALS).fetchone()
        recipients, due, deferred = connection.execute(_COUNTS, (now_seconds, now_seconds, HELD_SECONDS)).fetchone()
        domains = tuple(DomainCount(*row) for row in connection.execute(_DOMAINS))
    finally:
        connection.execute("COMMIT")
    return Stats(messages, size, recipients, due, deferred, held, oldest, domains)
