"""`lmdb:/path`: a memory-mapped database, in `/path.lmdb` (lmdb_table(5)).

Postfix opens such files without LMDB's own locks and locks the file itself while it reads or writes, and so do we.  The file
is opened for each lookup, which takes some 30 microseconds: LMDB lets a process open a file only once, a file that was put
in its place would go unseen, and one that grows must be mapped again anyway.

Needs the package `lmdb`.
"""

from __future__ import annotations

import fcntl
import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from mailrider.errors import TableTrouble, WrongConfiguration
from mailrider.tables.indexed import VALUE_LIMIT_OCTETS, IndexedTable
from mailrider.tables.locks import lock_shared

KEY_LIMIT_OCTETS: Final = 511
"""LMDB's own; a longer key is in no such file."""

FIRST_MAP_OCTETS: Final = 1024 * 1024
"""The size of a map to begin with; it is doubled as long as it is too small."""


class LmdbTable(IndexedTable):
    """`lmdb:`."""

    kind = "lmdb"
    suffix = ".lmdb"

    def _open(self) -> None:
        self._library = load_library()
        with self._reading():
            pass

    def _look_for_change(self) -> None:
        """Nothing is kept open."""

    def _fetch(self, key: bytes) -> bytes | None:
        if len(key) > KEY_LIMIT_OCTETS:
            return None
        with self._reading() as transaction:
            value = transaction.get(key)
        return self._take(value)

    def _walk(self) -> Iterator[tuple[bytes, bytes]]:
        with self._reading() as transaction:
            for key, value in transaction.cursor():
                yield bytes(key), self._take(value) or b""

    def _take(self, value: bytes | None) -> bytes | None:
        if value is not None and len(value) > VALUE_LIMIT_OCTETS:
            raise TableTrouble(f"{self.title}: a value of {len(value)} octets is longer than {VALUE_LIMIT_OCTETS}")
        return value

    @contextmanager
    def _reading(self) -> Iterator[Any]:
        """A transaction, while nobody else writes."""
        descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            if not lock_shared(descriptor, fcntl.lockf, self._surroundings.time_limit_seconds):
                raise TableTrouble(f"{self.title}: {self._path} is locked by somebody who writes it")
            environment = self._library.open(self._path, subdir=False, readonly=True, lock=False, create=False)
            try:
                with environment.begin() as transaction:
                    yield transaction
            finally:
                environment.close()
        except self._library.Error as trouble:
            raise TableTrouble(f"{self.title}: {trouble}") from None
        finally:
            os.close(descriptor)


def load_library() -> Any:
    """The package `lmdb`; raises `WrongConfiguration` where it is missing."""
    try:
        return importlib.import_module("lmdb")
    except ImportError as trouble:
        raise WrongConfiguration(
            f"lmdb tables need the package lmdb (pip install lmdb): {trouble}; or give the text file itself as texthash:"
        ) from None


def write_lmdb(path: str, pairs: list[tuple[bytes, bytes]]) -> None:
    """Write a new database.  Raises `OSError`, and `ValueError` for a key that does not fit."""
    library = load_library()
    map_octets = FIRST_MAP_OCTETS
    while True:
        environment = library.open(path, subdir=False, lock=False, map_size=map_octets)
        try:
            with environment.begin(write=True) as transaction:
                for key, value in pairs:
                    if len(key) > KEY_LIMIT_OCTETS:
                        raise ValueError(f"a key of {len(key)} octets is longer than {KEY_LIMIT_OCTETS}")
                    transaction.put(key, value)
            return
        except library.MapFullError:
            map_octets *= 2
        except library.Error as trouble:
            raise OSError(str(trouble)) from None
        finally:
            environment.close()
