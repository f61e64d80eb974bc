"""Giving up what only root may do: the user, the groups, and the root directory."""

from __future__ import annotations

import os
import pwd

from mailrider.errors import WrongConfiguration


def drop_privileges(owner: str, *, chroot: str = "") -> None:
    """Become `owner`, with `chroot` as the root directory if one is given.

    Whoever is not root stays who he is.  Raises `WrongConfiguration`.
    """
    if os.geteuid() != 0:
        return
    try:
        account = pwd.getpwnam(owner)
    except KeyError:
        raise WrongConfiguration(f"mail_owner = {owner}: there is no such user") from None
    if account.pw_uid == 0:
        raise WrongConfiguration(f"mail_owner = {owner}: mail is not delivered with the privileges of root")
    try:
        os.setgid(account.pw_gid)
        os.initgroups(owner, account.pw_gid)
        if chroot:
            os.chroot(chroot)
            os.chdir("/")
        os.setuid(account.pw_uid)
    except OSError as trouble:
        raise WrongConfiguration(f"cannot become {owner}: {trouble.strerror}") from None
