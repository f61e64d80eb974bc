"""The tables of a spool in one SQLite file, and how a connection to it is opened.

Three tables: `message` (one row a message, small, so that the queue can be listed without reading its text), `content` (the
text of messages up to `files.SMALL_OCTETS`) and `recipient` (one row a recipient that is not gone).  `recipient_due` is the
order in which mail is handed out.  `flush` counts the flushes that operators have asked for, and `visit` what processes have
done that do not belong to a node: the processes of a node, who all write, could not tell otherwise.

A recipient on hold is due at `spool.HELD_SECONDS`, which never comes, so that the index alone says what is to be handed out.

`synchronous=FULL` in WAL mode: a commit is on the disk when it returns.  Readers never wait, and no writer waits for one.

What can go wrong: the file is that of a later release, of another program, or not ours to read: `errors.SpoolTrouble`, with
the name of the file.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from mailrider.errors import SpoolTrouble
from mailrider.spool.files import give_to_owner

APPLICATION_ID = 0x4D524452
"""`MRDR`, in the header of the file."""

VERSION = 1
"""Of the tables; another one is refused."""

BUSY_SECONDS = 30.0
"""How long a process waits for another one that is writing: longer than any group of changes takes."""

PAGE_OCTETS = 16384
"""Three letters of 4 kB; with smaller pages a group of changes writes more of them, with larger ones a lone change too much."""

CHECKPOINT_PAGES = 2000
"""After how many pages the log is moved into the file: 32 MB, so that most mail is gone before it gets there."""

JOURNAL_LIMIT_OCTETS = 128 * 1024 * 1024
"""What is left of the log after it has been larger."""

CACHE_KIBIBYTES = 16 * 1024
"""Pages in memory, per connection."""

OLDEST_SQLITE = (3, 35, 0)
"""With UPDATE FROM and JSON."""

MESSAGE_COLUMNS = "key, envelope, sender, arrival, expires, size, total, held, filed"
"""In the order of `rows.MessageRow`."""

RECIPIENT_COLUMNS = "message, number, address, domain, due, owed, attempts, latest, latest_at, doubt, doubt_at, warned"
"""The key of the message, and then in the order of `rows.RecipientRow`."""

SCHEMA = f"""
CREATE TABLE message (
    key INTEGER PRIMARY KEY, envelope TEXT NOT NULL, sender TEXT NOT NULL, arrival REAL NOT NULL, expires REAL NOT NULL,
    size INTEGER NOT NULL, total INTEGER NOT NULL, held INTEGER NOT NULL, filed INTEGER NOT NULL);
CREATE TABLE content (key INTEGER PRIMARY KEY, octets BLOB NOT NULL);
CREATE TABLE recipient (
    message INTEGER NOT NULL, number INTEGER NOT NULL, address TEXT NOT NULL, domain TEXT NOT NULL, due REAL NOT NULL,
    owed INTEGER NOT NULL DEFAULT 0, attempts INTEGER NOT NULL DEFAULT 0, latest TEXT, latest_at REAL NOT NULL DEFAULT 0,
    doubt TEXT, doubt_at REAL NOT NULL DEFAULT 0, warned INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (message, number)) WITHOUT ROWID;
CREATE INDEX recipient_due ON recipient (due, message, number, domain);
CREATE TABLE flush (number INTEGER NOT NULL);
INSERT INTO flush VALUES (0);
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {VERSION};
"""


VISITS = "CREATE TABLE IF NOT EXISTS visit (number INTEGER NOT NULL)"
"""Made where it is missing: an earlier release did not have it."""

LEAVE_MARK = "UPDATE visit SET number = number + 1"
MARKS = "SELECT number, (SELECT number FROM visit) FROM flush"
"""Flushes and visits so far."""


def connect(path: Path) -> sqlite3.Connection:
    """A connection in autocommit mode, to be used by one thread at a time.  Raises `sqlite3.Error`."""
    connection = sqlite3.connect(
        path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=256
    )
    try:
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        connection.execute(f"PRAGMA journal_size_limit = {JOURNAL_LIMIT_OCTETS}")
        connection.execute(f"PRAGMA cache_size = -{CACHE_KIBIBYTES}")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def prepare(path: Path) -> None:
    """Make the folder, the file and the tables where they are missing.  Raises `SpoolTrouble`."""
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        raise SpoolTrouble(f"SQLite {sqlite3.sqlite_version} is too old: 3.35 or later is needed")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        give_to_owner(path)
    except OSError as cause:
        raise SpoolTrouble(f"cannot open the queue {path}: {cause.strerror}") from None
    try:
        connection = connect(path)
        try:
            _make_tables(connection, path)
        finally:
            connection.close()
    except sqlite3.Error as cause:
        raise SpoolTrouble(f"cannot open the queue {path}: {cause}") from None


def _make_tables(connection: sqlite3.Connection, path: Path) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if not version:
        connection.execute(f"PRAGMA page_size = {PAGE_OCTETS}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("BEGIN IMMEDIATE")  # two processes may have come here at once
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if not version and connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,):
            for statement in SCHEMA.split(";"):
                connection.execute(statement)
            version = VERSION
        connection.execute("COMMIT")
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    if application != APPLICATION_ID:
        raise SpoolTrouble(f"{path} is no queue: the file is that of another program")
    if version != VERSION:
        raise SpoolTrouble(f"the queue {path} is that of another release (version {version}, not {VERSION})")
    if not connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'visit'").fetchone()[0]:
        _count_visits(connection)


def _count_visits(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")  # two processes may have come here at once
    connection.execute(VISITS)
    connection.execute("INSERT INTO visit SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM visit)")
    connection.execute("COMMIT")
