"""Opening the spool that `queue_directory` names, for commands that come to it from outside the node."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from mailrider.errors import SpoolTrouble, WrongConfiguration
from mailrider.spool.spool import Spool
from mailrider.spool.tenure import LOCK_NAME


class _SystemClock:
    """The time of this machine."""

    monotonic_seconds = staticmethod(time.monotonic)
    wall_seconds = staticmethod(time.time)


HARMLESS = frozenset({"content", "lost+found", LOCK_NAME})
"""What may be in a folder that is to become a queue, or has only just begun to."""


def refuse_foreign_folder(folder: Path) -> None:
    """A queue is not put among other things: /etc would be its owner's then, and nobody looks into the queue of a Postfix.

    Raises `WrongConfiguration` for a folder with other things and no queue in it; one that is missing or cannot be looked
    into is let through.
    """
    from mailrider.spool.sqlite import DATABASE_NAME

    try:
        names = set(os.listdir(folder))
    except NotADirectoryError:
        raise WrongConfiguration(f"queue_directory = {folder}: this is no folder") from None
    except OSError:
        return
    if DATABASE_NAME not in names and not names <= HARMLESS:
        raise WrongConfiguration(f"queue_directory = {folder}: other things are in it; give the queue a folder of its own")


def open_spool(queue_directory: str, *, report: Callable[[str], None] = lambda sentence: None) -> Spool:
    """The spool in a folder, to be entered; it is made where it is missing.

    Raises `WrongConfiguration` where it cannot be; entering raises `SpoolTrouble`.
    """
    from mailrider.spool.sqlite import SqliteSpool

    refuse_foreign_folder(Path(queue_directory))
    return SqliteSpool(Path(queue_directory), _SystemClock(), report=report)


def is_forbidden(queue_directory: str) -> bool:
    """Whether there is a queue, or a place for one, that this user may not write to."""
    from mailrider.spool.sqlite import DATABASE_NAME

    path = Path(queue_directory)
    try:
        (path / DATABASE_NAME).stat()
        return not os.access(path / DATABASE_NAME, os.W_OK)
    except PermissionError:
        return True
    except OSError:
        pass  # there is none
    while not path.exists() and path != path.parent:
        path = path.parent
    return not os.access(path, os.W_OK)


def open_existing_spool(queue_directory: str) -> Spool:
    """The same for those who only ask: nothing is made.  Raises `SpoolTrouble` where there is no queue."""
    if not has_queue(queue_directory):
        raise SpoolTrouble(f"there is no queue in {queue_directory} (queue_directory): nothing was ever put there")
    return open_spool(queue_directory)


def has_queue(queue_directory: str) -> bool:
    """Whether there is one.  Raises `SpoolTrouble` where that cannot be told."""
    from mailrider.spool.sqlite import DATABASE_NAME

    path = Path(queue_directory) / DATABASE_NAME
    try:
        path.stat()
    except FileNotFoundError:
        return False
    except OSError as cause:
        raise SpoolTrouble(f"cannot open the queue {path}: {cause.strerror}") from None
    return True
