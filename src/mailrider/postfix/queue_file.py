"""One file of Postfix's queue: found, checked, locked, read in place, and marked.

The shared lock (flock(2)) is held for the whole delivery: a queue manager that was restarted leaves a locked file alone, and
would deliver it twice otherwise.  A recipient is done when the one octet at its offset has become `D`.  A file whose content
makes no sense loses its write permission, which is how Postfix knows a corrupt file.

What can go wrong is told by `NotOpened`, which is no error of ours: the file is gone, locked by somebody else, or none that
Postfix has finished.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator
from typing import Final, NamedTuple

from mailrider.errors import ContentDamaged
from mailrider.postfix.records import read_content

LONG_ID_SEPARATOR: Final = "z"
MICROSECONDS_CHARACTERS: Final = 4
_SEPARATOR_LEAST: Final = 10  # where it stands at the earliest in a long id
_ALPHABET = "0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz"
_DIGITS = {letter: value for value, letter in enumerate(_ALPHABET)}

_DONE = b"D"
_COMPLETE = 0o700
_CORRUPT = 0o400


class NotOpened(NamedTuple):
    """Why there is no file; `text` is a log line after `warning: `."""

    text: str


class Hashing(NamedTuple):
    """Which queues are split into folders, and how deep (`hash_queue_names`, `hash_queue_depth`)."""

    names: frozenset[str]
    depth: int


def find_path(queue_name: str, queue_id: str, hashing: Hashing) -> str:
    """Where a file is, relative to the queue directory."""
    if queue_name.lower() not in hashing.names:
        return f"{queue_name}/{queue_id}"
    letters = _hash_letters(queue_id)
    folders = [letters[index] if index < len(letters) else "_" for index in range(hashing.depth)]
    return "/".join([queue_name, *folders, queue_id])


def _hash_letters(queue_id: str) -> str:
    """The characters that name the folders: of a long id the microseconds in hexadecimal, of a short one its beginning."""
    separator = queue_id.rfind(LONG_ID_SEPARATOR)
    if separator < _SEPARATOR_LEAST:
        return queue_id
    microseconds = 0
    for letter in queue_id[separator - MICROSECONDS_CHARACTERS : separator]:
        if letter not in _DIGITS:
            return "00000"
        microseconds = microseconds * len(_ALPHABET) + _DIGITS[letter]
    return f"{microseconds:05X}"


class QueueFile:
    """An open file under its shared lock."""

    __slots__ = ("_descriptor", "path")

    def __init__(self, descriptor: int, path: str) -> None:
        self._descriptor = descriptor
        self.path = path

    def mark_done(self, offset: int) -> None:
        """This recipient needs nothing more.  Raises `OSError`."""
        os.pwrite(self._descriptor, _DONE, offset)

    def mark_corrupt(self) -> None:
        """The queue manager is to move the file away.  Raises `OSError`."""
        os.fchmod(self._descriptor, _CORRUPT)

    def read_content(self, offset: int) -> Iterator[bytes]:
        """The content that begins at `offset`; see `records.read_content`."""
        return read_content(self._descriptor, offset)

    def close(self) -> None:
        """Give the lock back."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def open_queue_file(path: str) -> QueueFile | NotOpened:
    """Open and lock a file of the queue, `path` relative to the queue directory, which is the working directory."""
    try:
        found = os.lstat(path)
        if not stat.S_ISREG(found.st_mode):
            return NotOpened(f"{path}: uid {found.st_uid}: not a regular file")
        if found.st_mode & stat.S_IRWXU != _COMPLETE:
            return NotOpened(f"{path}: uid {found.st_uid}: file mode {found.st_mode & 0o7777:o} is not that of a complete file")
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as trouble:
        return NotOpened(f"open {path}: {trouble.strerror}")
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as trouble:
        os.close(descriptor)
        return NotOpened(f"shared lock {path}: {trouble.strerror}")
    return QueueFile(descriptor, path)


class QueuedContent:
    """The content of a message in its queue file: a `model.request.Content`.

    `damage` is what was wrong with it, once it has been read and was found corrupt.
    """

    __slots__ = ("_file", "_offset", "damage", "size_octets")

    def __init__(self, file: QueueFile, offset: int, size_octets: int) -> None:
        self._file = file
        self._offset = offset
        self.size_octets = size_octets
        self.damage = ""

    def chunks(self) -> Iterator[bytes]:
        """The text from its beginning, read anew."""
        try:
            yield from self._file.read_content(self._offset)
        except ContentDamaged as trouble:
            self.damage = str(trouble)
            raise
