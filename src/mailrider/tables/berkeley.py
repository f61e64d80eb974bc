"""`hash:/path` and `btree:/path`: Berkeley DB, in `/path.db`, or the text beside it.

Files of Berkeley DB are read through the package `berkeleydb`.  Where that is not installed, or `/path.db` is not there, the
text `/path` is used as a `texthash` table, and a warning says so: for a table that postmap(1) has built from it, the
answers are the same.
"""

from __future__ import annotations

import fcntl
import importlib
import os
from collections.abc import Iterator
from typing import Any, Final

from mailrider.errors import TableTrouble, WrongConfiguration
from mailrider.tables.fixed import TextHashTable
from mailrider.tables.indexed import VALUE_LIMIT_OCTETS, IndexedTable
from mailrider.tables.locks import lock_shared
from mailrider.tables.source import Surroundings
from mailrider.tables.table import Table

SUFFIX: Final = ".db"
CACHE_OCTETS: Final = 128 * 1024
"""Of an open file; what Postfix takes."""


class BerkeleyTable(IndexedTable):
    """A file of Berkeley DB, of whatever kind it is; `kind` is what the operator calls it."""

    suffix = SUFFIX
    _base: Any = None
    _descriptor: int | None = None

    def __init__(self, kind: str, library: Any, name: str, surroundings: Surroundings) -> None:
        self.kind = kind
        self._library = library
        super().__init__(name, surroundings)

    def __del__(self) -> None:
        self._close()

    def _close(self) -> None:
        base, descriptor = self._base, self._descriptor
        self._base = self._descriptor = None
        if base is not None:
            base.close()
        if descriptor is not None:
            os.close(descriptor)

    def _open(self) -> None:
        self._close()
        self._descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        base = self._library.DB()
        try:
            base.set_cachesize(0, CACHE_OCTETS)
            self._lock()
            base.open(self._path, dbtype=self._library.DB_UNKNOWN, flags=self._library.DB_RDONLY)
        except self._library.DBError as trouble:
            base.close()
            raise TableTrouble(f"{self.title}: {_describe(trouble)}") from None
        finally:
            self._unlock()
        self._base = base

    def _fetch(self, key: bytes) -> bytes | None:
        self._lock()
        try:
            value = self._base.get(key)
        except self._library.DBError as trouble:
            raise TableTrouble(f"{self.title}: {_describe(trouble)}") from None
        finally:
            self._unlock()
        if value is None:
            return None
        if len(value) > VALUE_LIMIT_OCTETS:
            raise TableTrouble(f"{self.title}: a value of {len(value)} octets is longer than {VALUE_LIMIT_OCTETS}")
        return bytes(value)

    def _walk(self) -> Iterator[tuple[bytes, bytes]]:
        self._lock()
        cursor = self._base.cursor()
        try:
            while (pair := cursor.next()) is not None:
                yield bytes(pair[0]), bytes(pair[1])
        except self._library.DBError as trouble:
            raise TableTrouble(f"{self.title}: {_describe(trouble)}") from None
        finally:
            cursor.close()
            self._unlock()

    def _lock(self) -> None:
        assert self._descriptor is not None
        if not lock_shared(self._descriptor, fcntl.flock, self._surroundings.time_limit_seconds):
            raise TableTrouble(f"{self.title}: {self._path} is locked by somebody who writes it")

    def _unlock(self) -> None:
        if self._descriptor is not None:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)


class BesideTable(TextHashTable):
    """The text beside a file of Berkeley DB."""

    def __init__(self, kind: str, name: str, surroundings: Surroundings) -> None:
        self.kind = kind
        super().__init__(name, surroundings)


def open_hash(name: str, surroundings: Surroundings) -> Table:
    """The table `hash:name`."""
    return _open("hash", name, surroundings)


def open_btree(name: str, surroundings: Surroundings) -> Table:
    """The table `btree:name`."""
    return _open("btree", name, surroundings)


def find_library() -> Any | None:
    """The binding of Berkeley DB, or None where it is not installed."""
    try:
        return importlib.import_module("berkeleydb.db")
    except ImportError:
        return None


def _open(kind: str, name: str, surroundings: Surroundings) -> Table:
    library = find_library()
    built = os.path.exists(name + SUFFIX)
    if library is not None and built:
        return BerkeleyTable(kind, library, name, surroundings)
    reason = "the package berkeleydb is not installed" if built else f"there is no {name}{SUFFIX}"
    try:
        table = BesideTable(kind, name, surroundings)
    except WrongConfiguration as trouble:
        raise WrongConfiguration(f"{trouble}; it would be used, since {reason}") from None
    surroundings.warn(f"{table.title}: {reason}; the text {name} is used")
    return table


def write_berkeley(kind: str, path: str, pairs: list[tuple[bytes, bytes]]) -> None:
    """Write a new database.  Raises `OSError`, and `WrongConfiguration` where the package is missing."""
    library = find_library()
    if library is None:
        raise WrongConfiguration(
            f"building {kind} tables needs the package berkeleydb (pip install berkeleydb, which compiles); build lmdb or cdb"
        )
    base = library.DB()
    try:
        base.set_cachesize(0, max(CACHE_OCTETS, sum(len(key) + len(value) for key, value in pairs)))
        base.open(path, dbtype=library.DB_HASH if kind == "hash" else library.DB_BTREE, flags=library.DB_CREATE)
        for key, value in pairs:
            base.put(key, value)
    except library.DBError as trouble:
        raise OSError(_describe(trouble)) from None
    finally:
        base.close()


def _describe(trouble: Exception) -> str:
    return str(trouble.args[-1]) if trouble.args else str(trouble)
