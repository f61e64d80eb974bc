"""Giving up root: the log and the sockets are open by then, and the queue's folder is made over first."""

from __future__ import annotations

import os
import pwd
from pathlib import Path
from typing import NamedTuple

from mailrider.errors import WrongConfiguration
from mailrider.settings.catalogue import Catalogue
from mailrider.spool.bell import NAME as BELL_NAME
from mailrider.spool.opening import refuse_foreign_folder

NOBODY = "nobody"
QUEUE = "queue_directory"
FOLDER_MODE = 0o700
"""The queue is nobody else's to read; `mailrider sendmail` of other users comes by its own door."""


class Owner(NamedTuple):
    """Who the node runs as."""

    name: str
    user_id: int
    group_id: int


def find_owner(name: str) -> Owner | None:
    """The user `name`; None where we are not root and stay who we are.

    `nobody` takes the place of the default where that does not exist, and of nobody else: who names a user means him.
    """
    if os.geteuid() != 0:
        return None
    usual = name == Catalogue.mail_owner.default
    for candidate in (name, NOBODY) if usual else (name,):
        try:
            entry = pwd.getpwnam(candidate)
        except KeyError:
            continue
        if entry.pw_uid == 0:
            raise WrongConfiguration(f"mail_owner = {candidate}: a node does not run as root")
        return Owner(candidate, entry.pw_uid, entry.pw_gid)
    raise WrongConfiguration(f"mail_owner = {name}: there is no such user{f', nor one called {NOBODY}' if usual else ''}")


def make_folder(folder: Path, owner: Owner | None, title: str = QUEUE) -> None:
    """Make a folder where it is missing, and the owner's with everything of a queue in it.  `title` is its parameter.

    Raises `WrongConfiguration`, also for a folder that a queue has no place in.
    """
    try:
        if not folder.exists():
            folder.mkdir(parents=True, mode=FOLDER_MODE)
        elif title == QUEUE:
            refuse_foreign_folder(folder)
        if owner is not None:
            _give(folder, owner)
    except OSError as cause:
        raise WrongConfiguration(f"{title} = {folder}: {cause.strerror or cause}") from None


def _give(folder: Path, owner: Owner) -> None:
    """Symbolic links are not followed: a link in the queue must not give /etc/shadow away."""
    os.chown(folder, owner.user_id, owner.group_id, follow_symlinks=False)
    names = ("queue.db", "queue.db-wal", "queue.db-shm", "content", "maildrop", BELL_NAME)
    for name in names:
        path = folder / name
        if not path.is_symlink() and path.exists():
            os.chown(path, owner.user_id, owner.group_id, follow_symlinks=False)
    content = folder / "content"
    if content.is_dir() and not content.is_symlink():
        for root, _, files in os.walk(content, followlinks=False):
            os.chown(root, owner.user_id, owner.group_id, follow_symlinks=False)
            for file in files:
                os.chown(os.path.join(root, file), owner.user_id, owner.group_id, follow_symlinks=False)


def drop(owner: Owner | None) -> None:
    """Become the owner for good."""
    if owner is None:
        return
    try:
        os.setgroups([])
        os.setgid(owner.group_id)
        os.setuid(owner.user_id)
    except OSError as cause:
        raise WrongConfiguration(f"mail_owner = {owner.name}: cannot become that user: {cause.strerror}") from None
    os.environ["HOME"] = "/"
