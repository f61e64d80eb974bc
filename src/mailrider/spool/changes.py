"""Changes of the spool, and how many of them are carried out in one transaction with a few statements.

A `Change` is what one call wants: all of it or nothing.  `carry_out` joins many changes by kind and gives each kind to SQLite
in one statement (rows in a JSON text, or many VALUES), because every statement costs a hand-over between threads, and on a
busy node those cost more than the work itself.  Kinds are carried out in the order in which the fields of `Change` stand;
changes of one recipient that are under way at the same time can only come in that order.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from mailrider.spool.leases import Spot
from mailrider.spool.rows import MessageRow, RecipientRow
from mailrider.spool.spool import HELD_SECONDS

_dump = json.JSONEncoder(separators=(",", ":")).encode
_load = json.JSONDecoder().decode

ROWS_AT_ONCE = (64, 16, 4, 1)
"""Rows a statement: few sizes, so that the statements are compiled once.  64 rows of 12 columns stay below SQLite's limit."""


class Deferral(NamedTuple):
    """A recipient is put back."""

    key: int
    number: int
    due_seconds: float
    latest: str
    at_seconds: float
    doubt: str | None = None
    doubt_at_seconds: float = 0.0


class Doubt(NamedTuple):
    """A recipient may have got the message."""

    key: int
    number: int
    server: str
    at_seconds: float


class Debt(NamedTuple):
    """The fate of a recipient is final, and a notice is owed."""

    key: int
    number: int
    latest: str
    at_seconds: float


class Change(NamedTuple):
    """What one call wants to be carried out, wholly or not at all."""

    messages: Sequence[MessageRow] = ()
    contents: Sequence[tuple[int, bytes]] = ()
    recipients: Sequence[tuple[int, RecipientRow]] = ()
    doubts: Sequence[Doubt] = ()
    warned: Sequence[Spot] = ()
    debts: Sequence[Debt] = ()
    deferrals: Sequence[Deferral] = ()
    gone: Sequence[Spot] = ()


class Removed(NamedTuple):
    """A message that is gone: its key, and whether its text is a file."""

    key: int
    filed: bool


_DOUBT = """
UPDATE recipient SET doubt = v.doubt, doubt_at = v.at FROM (SELECT
    json_extract(value, '$[0]') AS m, json_extract(value, '$[1]') AS n, json_extract(value, '$[2]') AS doubt,
    json_extract(value, '$[3]') AS at FROM json_each(?)) AS v
WHERE recipient.message = v.m AND recipient.number = v.n"""

_WARN = """
UPDATE recipient SET warned = 1 WHERE (message, number) IN
    (SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(?))"""

_OWE = """
UPDATE recipient SET owed = 1, due = min(due, v.at), latest = v.latest, latest_at = v.at FROM (SELECT
    json_extract(value, '$[0]') AS m, json_extract(value, '$[1]') AS n, json_extract(value, '$[2]') AS latest,
    json_extract(value, '$[3]') AS at FROM json_each(?)) AS v
WHERE recipient.message = v.m AND recipient.number = v.n"""

_DEFER = f"""
UPDATE recipient SET due = CASE WHEN recipient.due >= {HELD_SECONDS} THEN recipient.due ELSE v.due END,
    attempts = attempts + 1, latest = v.latest, latest_at = v.at,
    doubt = coalesce(v.doubt, recipient.doubt), doubt_at = CASE WHEN v.doubt IS NULL THEN doubt_at ELSE v.doubted END
FROM (SELECT
    json_extract(value, '$[0]') AS m, json_extract(value, '$[1]') AS n, json_extract(value, '$[2]') AS due,
    json_extract(value, '$[3]') AS latest, json_extract(value, '$[4]') AS at, json_extract(value, '$[5]') AS doubt,
    json_extract(value, '$[6]') AS doubted FROM json_each(?)) AS v
WHERE recipient.message = v.m AND recipient.number = v.n"""

_GONE = """
DELETE FROM recipient WHERE (message, number) IN
    (SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(?))"""

_EMPTY = """
SELECT json_group_array(json_array(key, filed)) FROM message WHERE key IN (SELECT value FROM json_each(?))
    AND NOT EXISTS (SELECT 1 FROM recipient WHERE recipient.message = message.key)"""

_FORGET_MESSAGES = "DELETE FROM message WHERE key IN (SELECT value FROM json_each(?))"
_FORGET_CONTENTS = "DELETE FROM content WHERE key IN (SELECT value FROM json_each(?))"


def carry_out(connection: sqlite3.Connection, changes: Sequence[Change]) -> list[Removed]:
    """Carry out changes inside the transaction that is open; the messages that have come to their end by them."""
    _insert(connection, "message", [row for change in changes for row in change.messages])
    _insert(connection, "content", [row for change in changes for row in change.contents])
    _insert(connection, "recipient", [(key, *row) for change in changes for key, row in change.recipients])
    gone = [spot for change in changes for spot in change.gone]
    by_kind: tuple[tuple[str, Sequence[object]], ...] = (
        (_DOUBT, [row for change in changes for row in change.doubts]),
        (_WARN, [row for change in changes for row in change.warned]),
        (_OWE, [row for change in changes for row in change.debts]),
        (_DEFER, [row for change in changes for row in change.deferrals]),
        (_GONE, gone),
    )
    for statement, rows in by_kind:
        if rows:
            connection.execute(statement, (_dump(rows),))
    return _remove_empty(connection, {key for key, _ in gone}) if gone else []


def _remove_empty(connection: sqlite3.Connection, keys: Iterable[int]) -> list[Removed]:
    """Remove those of these messages that have no recipient left."""
    (told,) = connection.execute(_EMPTY, (_dump(list(keys)),)).fetchone()
    removed = [Removed(key, bool(filed)) for key, filed in _load(told)]
    if removed:
        text = _dump([message.key for message in removed])
        connection.execute(_FORGET_MESSAGES, (text,))
        connection.execute(_FORGET_CONTENTS, (text,))
    return removed


def _insert(connection: sqlite3.Connection, table: str, rows: Sequence[Sequence[Any]]) -> None:
    start = 0
    for size in ROWS_AT_ONCE:
        while len(rows) - start >= size:
            some = rows[start : start + size]
            place = "(" + ",".join("?" * len(some[0])) + ")"
            connection.execute(
                f"INSERT INTO {table} VALUES {','.join([place] * size)}", [value for row in some for value in row]
            )
            start += size
