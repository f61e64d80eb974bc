"""What has become of each TLS report, as files beside the journal, so that it outlives the process.

`DAY.DOMAIN.sent` says that a report is done with, and what became of it.  `DAY.DOMAIN.offered` is one that is under way: how
often it was tried, and under which queue id it went into the spool, so that whoever comes after a crash knows whether it did.
A file is there wholly or not at all.  Both go with the journal, after a month.

`hold` keeps everybody else from sending meanwhile.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

LOCK_NAME = "lock"

NAME_LIMIT_CHARACTERS = 200
"""A file name has 255; a longer domain is told by its digest."""

OFFER_LIMIT_OCTETS = 10_000
"""Four values have 200 at most; what is longer was not written by us, and not all of it is read to find that out."""


class Offer(NamedTuple):
    """A report that is under way.  Times in seconds since the epoch; `queue_id` empty: it is not in the spool."""

    first_seconds: float = 0.0
    attempts: int = 0
    next_seconds: float = 0.0
    queue_id: str = ""


class Marks:
    """The files of one folder.  Everything may raise `OSError`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextlib.contextmanager
    def hold(self) -> Iterator[bool]:
        """True while nobody else sends from this folder, False where somebody does."""
        descriptor = os.open(self._folder / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True
        finally:
            os.close(descriptor)

    def is_sent(self, day: str, domain: str) -> bool:
        """Whether a report is done with."""
        return self._path(day, domain, "sent").exists()

    def mark_sent(self, day: str, domain: str, text: str) -> None:
        """It is, and this is what became of it."""
        self._write(self._path(day, domain, "sent"), text + "\n")

    def read_offer(self, day: str, domain: str) -> Offer | None:
        """How far a report has come; None where nothing was begun, or what is there makes no sense."""
        try:
            with self._path(day, domain, "offered").open("rb") as file:
                found = json.loads(file.read(OFFER_LIMIT_OCTETS))
            first, attempts, following, queue_id = found
            return Offer(float(first), int(attempts), float(following), str(queue_id))
        except (FileNotFoundError, ValueError, TypeError, RecursionError):
            return None

    def write_offer(self, day: str, domain: str, offer: Offer) -> None:
        """So far it has come."""
        self._write(self._path(day, domain, "offered"), json.dumps(offer))

    def clear_offer(self, day: str, domain: str) -> None:
        """It is not under way any more."""
        self._path(day, domain, "offered").unlink(missing_ok=True)

    def _path(self, day: str, domain: str, kind: str) -> Path:
        name = domain if len(domain) <= NAME_LIMIT_CHARACTERS else hashlib.sha256(domain.encode()).hexdigest()
        return self._folder / f"{day}.{name}.{kind}"

    def _write(self, path: Path, text: str) -> None:
        """Durable when it returns."""
        descriptor, temporary = tempfile.mkstemp(dir=self._folder, prefix=".")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
