"""Tables in an indexed file that was built from a text: what `lmdb`, `cdb`, `hash` and `btree` have in common.

The name is that of the text; the indexed file beside it has a suffix (`.lmdb`, `.cdb`, `.db`).  postmap(1) may have ended each
key and value with a null octet, or not: both are looked for.  A key that is no UTF-8 is in no such table; a value that is
none is a table that makes no sense (`TableTrouble`), as in Postfix.
"""

from __future__ import annotations

import os
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Final

from mailrider.errors import TableTrouble, WrongConfiguration
from mailrider.tables.logical_lines import quote_beginning
from mailrider.tables.source import KEY_LIMIT_OCTETS, LOOK_SECONDS, Surroundings
from mailrider.tables.table import fold_key

VALUE_LIMIT_OCTETS: Final = 1024 * 1024
"""As long as a key may be."""

SETTLED_SECONDS: Final = 100
"""A text that changed more recently may just be on its way into the index (postmap(1) takes its time)."""

NULL: Final = b"\0"


class IndexedTable(ABC):
    """A table in an indexed file.  Raises `WrongConfiguration` where the file cannot be read when it is opened."""

    kind: str
    suffix: str

    def __init__(self, name: str, surroundings: Surroundings) -> None:
        self.title = f"{self.kind}:{name}"
        self._path = name + self.suffix
        self._surroundings = surroundings
        self._stamp: object = None
        self._looked_seconds = surroundings.now_seconds()
        try:
            status = os.stat(self._path)
            self._open()
        except (OSError, ValueError) as trouble:
            reason = getattr(trouble, "strerror", None) or str(trouble)
            raise WrongConfiguration(
                f"{self.title}: cannot read {self._path}: {reason}; `mailrider table {self.title}` builds it from {name}"
            ) from None
        except TableTrouble as trouble:
            raise WrongConfiguration(f"{trouble}; `mailrider table {self.title}` builds it anew") from None
        self._stamp = stamp_of(status)
        self._warn_of_newer_source(name, status.st_mtime)

    def find(self, key: str) -> str | None:
        """The value of `key` (see `Table.find`)."""
        octets = self._encode(key)
        if octets is None:
            return None
        try:
            self._look_for_change()
            value = self._fetch(octets + NULL)
            if value is None:
                value = self._fetch(octets)
        except OSError as trouble:
            self._stamp = None
            raise TableTrouble(f"{self.title}: cannot read {self._path}: {trouble.strerror or trouble}") from None
        return None if value is None else self._decode(value, key)

    def entries(self) -> Iterator[tuple[str, str]]:
        """All keys and values, in the order of the file."""
        try:
            for key, value in self._walk():
                text = key.partition(NULL)[0].decode("utf-8", "surrogateescape")
                yield text, self._decode(value, text)
        except OSError as trouble:
            raise TableTrouble(f"{self.title}: cannot read {self._path}: {trouble.strerror or trouble}") from None

    @abstractmethod
    def _open(self) -> None:
        """Open the file, in the place of one that is open.  Raises `OSError`, `TableTrouble`."""

    @abstractmethod
    def _fetch(self, key: bytes) -> bytes | None:
        """The value of a key, as it stands in the file.  Raises `OSError`, `TableTrouble`."""

    @abstractmethod
    def _walk(self) -> Iterator[tuple[bytes, bytes]]:
        """All keys and values, as they stand in the file.  Raises `OSError`, `TableTrouble`."""

    def _encode(self, key: str) -> bytes | None:
        if self._surroundings.folds:
            key = fold_key(key)
        try:
            octets = key.encode()
        except UnicodeEncodeError:
            return None
        # The format has no room for an empty key, and a C string none for a null octet.
        return octets if octets and NULL not in octets and len(octets) <= KEY_LIMIT_OCTETS else None

    def _decode(self, value: bytes, key: str) -> str:
        try:
            return value.partition(NULL)[0].decode()
        except UnicodeDecodeError:
            raise TableTrouble(f"{self.title}: the value of {quote_beginning(key)} is no UTF-8") from None

    def _look_for_change(self) -> None:
        """Open the file again where it has changed, which is looked at once a second at most."""
        now_seconds = self._surroundings.now_seconds()
        if self._stamp is None or now_seconds - self._looked_seconds >= LOOK_SECONDS:
            self._looked_seconds = now_seconds
            stamp = stamp_of(os.stat(self._path))
            if stamp != self._stamp:
                self._stamp = None
                self._open()
                self._stamp = stamp

    def _warn_of_newer_source(self, source: str, built_seconds: float) -> None:
        try:
            changed_seconds = os.stat(source).st_mtime
        except OSError:
            return
        if built_seconds < changed_seconds < time.time() - SETTLED_SECONDS:
            self._surroundings.warn(f"{self.title}: {self._path} is older than the text that it was built from, {source}")


def stamp_of(status: os.stat_result) -> object:
    """What changes when a file does."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
