"""The text of large messages: one file each beside the database, written once and read as often as wanted.

A file is made under the queue id of its message, locked while it is written, synchronised, and its folder after it, before
the database learns of it.  A file that the database does not know belongs to a message that was never accepted or is gone;
`sweep` removes those, and leaves alone what is locked, because that is being written.

Every operation that can fail for want of space or of a sound disk is a method of `Files`, so that tests can let it fail.

What can go wrong: `OSError` passes through; `why_not` says which of the two reasons not to take a message it is.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from mailrider.errors import ContentUnreadable
from mailrider.spool.spool import Unaccepted

SMALL_OCTETS = 64 * 1024
"""Up to this size a text is kept in the database: one write in the common log costs less than a file and two flushes."""

CHUNK_OCTETS = 128 * 1024
"""How much is read at once: two socket buffers' worth."""

WRITE_OCTETS = 512 * 1024
"""How much is gathered before a thread writes it."""

RESERVE_OCTETS = 2 * 1024 * 1024
"""What is left free on the disk: nothing new is taken below it, so that what is there can still be settled."""

_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def why_not(cause: OSError) -> Unaccepted:
    """Whether the disk is full or broken."""
    return Unaccepted.FULL if cause.errno in _NO_SPACE else Unaccepted.FAILED


def give_to_owner(path: Path) -> None:
    """What root makes belongs to whom the folder around it belongs to, so that the node can use it.  Raises `OSError`."""
    if os.geteuid() == 0:
        folder = os.stat(path.parent)
        os.chown(path, folder.st_uid, folder.st_gid, follow_symlinks=False)


class Files:
    """The folder of message files.  `folder` exists once `open` has been called."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def open(self) -> None:
        """Make the folder."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        give_to_owner(self.folder)

    def free_octets(self) -> int:
        """What this user may still write."""
        facts = os.statvfs(self.folder)
        return facts.f_bavail * facts.f_frsize

    def has_room(self) -> bool:
        """Whether new messages may come in; where it cannot be told, the writing will tell."""
        try:
            return self.free_octets() >= RESERVE_OCTETS
        except OSError:
            return True

    def create(self, name: str) -> int:
        """A new file that is locked; the descriptor."""
        descriptor = os.open(self.folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        give_to_owner(self.folder / name)
        return descriptor

    def write(self, descriptor: int, octets: bytes) -> None:
        """Write all of it."""
        view = memoryview(octets)
        while view:
            view = view[os.write(descriptor, view) :]

    def synchronize(self, descriptor: int) -> None:
        """Put the text, and after it the name, on stable storage."""
        self.flush(descriptor)
        self.synchronize_names(self.folder)

    def synchronize_names(self, folder: Path) -> None:
        """Put the names in a folder on stable storage."""
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self.flush(descriptor)
        finally:
            os.close(descriptor)

    def flush(self, descriptor: int) -> None:
        """fsync(2)."""
        os.fsync(descriptor)

    def close(self, descriptor: int | None) -> None:
        """Close a file, which unlocks it; nothing where there is none."""
        if descriptor is not None:
            os.close(descriptor)

    def remove(self, name: str) -> None:
        """Remove a file, if it is there.  A file that cannot be removed is left to the next `sweep`."""
        try:
            os.unlink(self.folder / name)
        except OSError:
            pass

    def sweep(self, is_known: Callable[[str], bool]) -> int:
        """Remove the files that nobody knows and nobody writes; how many there were."""
        removed = 0
        for name in os.listdir(self.folder):
            try:
                descriptor = os.open(self.folder / name, os.O_RDONLY | os.O_CLOEXEC)
            except OSError:
                continue
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if not is_known(name):  # only asked once it is locked: whoever wrote it has committed or died
                    self.remove(name)
                    removed += 1
            except OSError:
                pass
            finally:
                os.close(descriptor)
        return removed


class FileContent:
    """The text of a message in a file, as a `model.request.Content`; `key` is that of the message."""

    __slots__ = ("_path", "key", "size_octets")

    def __init__(self, path: Path, size_octets: int, key: int) -> None:
        self._path = path
        self.key = key
        self.size_octets = size_octets

    def chunks(self) -> Iterator[bytes]:
        """The text from its beginning; raises `ContentUnreadable`, also where the file has lost a part."""
        read = 0
        try:
            with open(self._path, "rb", buffering=0) as file:
                while piece := file.read(CHUNK_OCTETS):
                    read += len(piece)
                    yield piece
        except FileNotFoundError:
            raise ContentUnreadable("the message has been deleted from the queue") from None
        except OSError as cause:
            raise ContentUnreadable(cause.strerror or str(cause)) from cause
        if read != self.size_octets:
            raise ContentUnreadable("the file in the queue is damaged")
