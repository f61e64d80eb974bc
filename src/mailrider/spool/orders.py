"""What an operator tells a spool in SQLite to do, and how messages are chosen.

Each order is one transaction.  It changes rows only: what is under way at that moment ends as it would have, and finds its
rows as the order has left them (a deferral of a recipient on hold leaves it on hold; what was deleted is not there any more).
"""

from __future__ import annotations

import json
import sqlite3
from typing import Any, NamedTuple

from mailrider.errors import BrokenPromise
from mailrider.model.request import Recipient
from mailrider.spool.changes import Removed
from mailrider.spool.queue_id import key_of
from mailrider.spool.rows import encode_recipient, searchable
from mailrider.spool.spool import HELD_SECONDS, Order, Selection
from mailrider.spool.spread import Spread
from mailrider.spool.sqlite_schema import LEAVE_MARK

_CHOSEN = "chosen"
"""A temporary table with the keys that an order is for."""

_SPREAD = """UPDATE recipient SET due = ? + place * ?
    FROM (SELECT key, row_number() OVER (ORDER BY arrival, key) - 1 AS place FROM message
        WHERE key IN (SELECT key FROM chosen)) AS turn
    WHERE recipient.message = turn.key AND due > ?"""

_TO_RECIPIENT = """EXISTS (SELECT 1 FROM recipient AS a WHERE a.message = key AND
    (lower(a.address) = lower(?) OR instr(lower(a.address), lower(?)) = 1))"""

_WITH_REASON = """EXISTS (SELECT 1 FROM recipient AS l WHERE l.message = key AND l.latest IS NOT NULL AND
    instr(lower(json_extract(l.latest, '$.code') || ' ' || json_extract(l.latest, '$.text')), lower(?)))"""

_WAITS = "EXISTS (SELECT 1 FROM recipient AS w WHERE w.message = key AND w.due > ?)"

_REQUEUE = """UPDATE recipient SET attempts = 0, doubt = NULL, doubt_at = 0, warned = 0,
    latest = CASE WHEN owed THEN latest END, due = min(due, ?) WHERE message IN (SELECT key FROM chosen)"""


class Carried(NamedTuple):
    """What an order has done: to how many messages, and which are gone."""

    messages: int
    removed: tuple[Removed, ...] = ()


def condition(selection: Selection) -> tuple[str, list[Any]]:
    """A selection as the condition of a query on `message`, and its values."""
    parts: list[str] = []
    values: list[Any] = []
    if selection.queue_ids:
        keys = [key for key in map(key_of, selection.queue_ids) if key is not None]
        parts.append("key IN (SELECT value FROM json_each(?))")
        values.append(json.dumps(keys))
    if selection.sender is not None:
        parts.append("lower(sender) = lower(?)")
        values.append(searchable(selection.sender))
    if selection.domain is not None:
        parts.append("EXISTS (SELECT 1 FROM recipient AS r WHERE r.message = key AND r.domain = ?)")
        values.append(searchable(selection.domain.lower()))
    if selection.recipient is not None:
        # An address stands alone, or as the first word of a list (`rows.encode_recipient`).
        text = encode_recipient(Recipient(selection.recipient))
        parts.append(_TO_RECIPIENT)
        values += [text, f"[{text},"]
    if selection.reason is not None:
        parts.append(_WITH_REASON)
        values.append(searchable(selection.reason))
    if selection.arrived_before_seconds is not None:
        parts.append("arrival < ?")
        values.append(selection.arrived_before_seconds)
    if not parts:
        return ("1" if selection.everything else "0"), []
    return " AND ".join(parts), values


def carry_out_order(
    connection: sqlite3.Connection, order: Order, selection: Selection, now_seconds: float, spread: Spread | None = None
) -> Carried:
    """Carry out an order inside the transaction that is open."""
    _choose(connection, order, selection, now_seconds if spread is not None else None)
    (count,) = connection.execute(f"SELECT count(*) FROM {_CHOSEN}").fetchone()
    removed: tuple[Removed, ...] = ()
    chosen = f"message IN (SELECT key FROM {_CHOSEN})"
    match order:
        case Order.FLUSH:
            if spread is not None:
                _spread(connection, spread, now_seconds)
            else:
                connection.execute(
                    f"UPDATE recipient SET due = ? WHERE due > ? AND due < {HELD_SECONDS} AND {chosen}",
                    (now_seconds, now_seconds),
                )
            connection.execute("UPDATE flush SET number = number + 1")
        case Order.HOLD:
            connection.execute(f"UPDATE message SET held = 1 WHERE key IN (SELECT key FROM {_CHOSEN})")
            connection.execute(f"UPDATE recipient SET due = {HELD_SECONDS} WHERE {chosen}")
        case Order.RELEASE:
            _let_go(connection)
            if spread is not None:
                _spread(connection, spread, now_seconds)
            else:
                connection.execute(f"UPDATE recipient SET due = ? WHERE {chosen}", (now_seconds,))
        case Order.REQUEUE:
            _let_go(connection)
            connection.execute(_REQUEUE, (now_seconds,))
        case Order.DELETE:
            removed = _delete(connection)
        case _:
            raise BrokenPromise(f"an order that nobody gives: {order}")
    connection.execute(f"DROP TABLE {_CHOSEN}")
    connection.execute(LEAVE_MARK)
    return Carried(count, removed)


def _choose(
    connection: sqlite3.Connection, order: Order, selection: Selection, waits_after_seconds: float | None
) -> None:
    """Remember whom an order is for.  A flush may be for those alone whose turn comes after a moment."""
    where, values = condition(selection)
    if order is Order.RELEASE:
        where = f"held = 1 AND {where}"
    elif order in (Order.HOLD, Order.FLUSH):
        where = f"held = 0 AND {where}"
    if order is Order.FLUSH and waits_after_seconds is not None:
        where = f"{where} AND {_WAITS}"
        values = [*values, waits_after_seconds]
    connection.execute(f"DROP TABLE IF EXISTS temp.{_CHOSEN}")
    connection.execute(f"CREATE TEMP TABLE {_CHOSEN} AS SELECT key FROM message WHERE {where}", values)


def _spread(connection: sqlite3.Connection, spread: Spread, now_seconds: float) -> None:
    """One after the other; whose turn has come before is not made to wait."""
    connection.execute(_SPREAD, (spread.first_seconds, spread.interval_seconds, now_seconds))


def _let_go(connection: sqlite3.Connection) -> None:
    connection.execute(f"UPDATE message SET held = 0 WHERE key IN (SELECT key FROM {_CHOSEN})")


def _delete(connection: sqlite3.Connection) -> tuple[Removed, ...]:
    rows = connection.execute(f"SELECT key, filed FROM message WHERE key IN (SELECT key FROM {_CHOSEN})").fetchall()
    connection.execute(f"DELETE FROM recipient WHERE message IN (SELECT key FROM {_CHOSEN})")
    connection.execute(f"DELETE FROM content WHERE key IN (SELECT key FROM {_CHOSEN})")
    connection.execute(f"DELETE FROM message WHERE key IN (SELECT key FROM {_CHOSEN})")
    return tuple(Removed(key, bool(filed)) for key, filed in rows)
