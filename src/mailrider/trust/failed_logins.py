"""Logins that a server has refused with 535, so that they are not tried again and again (`smtp_sasl_auth_cache_name`).

Many servers lock an account, or our address, after a few failures.  An entry is found by server and user, and counts until
`smtp_sasl_auth_cache_time` has passed or the password is another one.  Passwords are kept as a salted, slow digest.

Without a file the entries live as long as the process.  With one they are in a SQLite database.  Postfix names a table
here, `proxy:btree:/path`, which only its own proxywrite(8) can write; the entries are in `/path.sqlite` then.

Known fault: the file is written in the event loop; it is small, and written only when a login was refused.
"""

from __future__ import annotations

import hashlib
import math
import os
import secrets
from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

from mailrider.errors import WrongConfiguration
from mailrider.sasl.secret import Secret

if TYPE_CHECKING:
    import sqlite3

PROXY_PREFIX = "proxy:"
FILE_TYPES = ("btree", "hash", "lmdb", "sdbm")
MEMORY_TYPE = "internal"
SUFFIX = ".sqlite"

DIGEST_ROUNDS = 20_000
"""About 5 ms: nobody waits for it, and guessing at a stolen file is dear."""

SALT_OCTETS = 16
"""Twice what RFC 8018 §4.1 asks for at least."""

ENTRIES_LIMIT = 10_000
"""In memory; the oldest are forgotten first."""

LOCK_SECONDS = 2.0
"""How long another process may keep the file to itself."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS failed_logins (
    host TEXT NOT NULL, user TEXT NOT NULL, seconds REAL NOT NULL, salt BLOB NOT NULL, digest BLOB NOT NULL,
    status TEXT NOT NULL, text TEXT NOT NULL, PRIMARY KEY (host, user)
) WITHOUT ROWID
"""

Warn = Callable[[str], None]


class FailedLogin(NamedTuple):
    """What the server said: the enhanced status code and its reply."""

    status: str
    text: str


class Entry(NamedTuple):
    """One failure as it is kept.  `seconds` is wall-clock time."""

    seconds: float
    salt: bytes
    digest: bytes
    status: str
    text: str


def find_file(name: str) -> str | None:
    """The database for a value of `smtp_sasl_auth_cache_name`; None for a table in memory.  Raises `WrongConfiguration`."""
    if any(mark in name for mark in ", \t"):
        raise WrongConfiguration(f'SASL authentication cache name "{name}" contains multiple values')
    if not name.startswith(PROXY_PREFIX):
        raise WrongConfiguration(f'SASL authentication cache name "{name}" must start with "{PROXY_PREFIX}"')
    kind, _, path = name.removeprefix(PROXY_PREFIX).partition(":")
    if kind == MEMORY_TYPE and path:
        return None
    if kind not in FILE_TYPES or not path:
        raise WrongConfiguration(f"{name}: expected proxy:type:name with one of {', '.join((*FILE_TYPES, MEMORY_TYPE))}")
    return path + SUFFIX


class FailedLogins:
    """The failures of all servers.  `path` is the database, None for memory alone; `now_seconds` is a wall clock.

    A file that cannot be used is told to `warn`, and then nothing is known: that is no reason not to deliver.
    """

    __slots__ = ("_entries", "_lifetime_seconds", "_now_seconds", "_path", "_warn")

    def __init__(self, path: str | None, lifetime_seconds: float, now_seconds: Callable[[], float], warn: Warn) -> None:
        self._path = path
        self._lifetime_seconds = lifetime_seconds
        self._now_seconds = now_seconds
        self._warn = warn
        self._entries: dict[tuple[str, str], Entry] = {}

    def find(self, host: str, user: str, secret: Secret) -> FailedLogin | None:
        """Whether this very login has failed not long ago.  An entry that does not count any more is removed."""
        entry = self._load(host, user)
        if entry is None:
            return None
        # Whole seconds, as smtp(8) has them: a lifetime of 0 still lasts until the second is over.
        is_fresh = math.floor(entry.seconds) + self._lifetime_seconds >= math.floor(self._now_seconds())
        if is_fresh and entry.digest == _digest(secret, entry.salt):
            return FailedLogin(entry.status, entry.text)
        self._remove(host, user)
        return None

    def remember(self, host: str, user: str, secret: Secret, failed: FailedLogin) -> None:
        """This login was refused just now."""
        salt = secrets.token_bytes(SALT_OCTETS)
        entry = Entry(self._now_seconds(), salt, _digest(secret, salt), failed.status, failed.text)
        if self._path is not None:
            self._run("REPLACE INTO failed_logins VALUES (?, ?, ?, ?, ?, ?, ?)", (_plain(host), _plain(user), *entry))
            return
        self._entries.pop((host, user), None)
        self._entries[host, user] = entry
        if len(self._entries) > ENTRIES_LIMIT:
            del self._entries[next(iter(self._entries))]

    def _load(self, host: str, user: str) -> Entry | None:
        if self._path is None:
            return self._entries.get((host, user))
        if not os.path.exists(self._path):
            return None
        columns = "seconds, salt, digest, status, text"
        row = self._run(
            f"SELECT {columns} FROM failed_logins WHERE host = ? AND user = ?", (_plain(host), _plain(user))
        )
        return Entry(*row) if row is not None else None

    def _remove(self, host: str, user: str) -> None:
        if self._path is None:
            self._entries.pop((host, user), None)
        else:
            self._run("DELETE FROM failed_logins WHERE host = ? AND user = ?", (_plain(host), _plain(user)))

    def _run(self, statement: str, values: tuple[object, ...]) -> tuple[float, bytes, bytes, str, str] | None:
        import sqlite3  # only who has such a file pays for it

        assert self._path is not None
        try:
            with closing(self._open(self._path)) as database, database:
                row: tuple[float, bytes, bytes, str, str] | None = database.execute(statement, values).fetchone()
                return row
        except (sqlite3.Error, OSError) as trouble:
            self._warn(f"SASL auth failure map {self._path}: {trouble}")
            return None

    def _open(self, path: str) -> sqlite3.Connection:
        import sqlite3

        if not os.path.exists(path):
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))  # nobody else is to guess at the digests
        database = sqlite3.connect(path, timeout=LOCK_SECONDS)
        try:
            database.execute(_SCHEMA)
        except sqlite3.Error:
            database.close()
            raise
        return database


def _digest(secret: Secret, salt: bytes) -> bytes:
    return hashlib.pbkdf2_hmac("sha256", secret.reveal(), salt, DIGEST_ROUNDS)


def _plain(text: str) -> str:
    """A text that a database can take: octets that were never text get an escape."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
