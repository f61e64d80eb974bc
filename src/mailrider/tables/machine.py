"""Tables that the machine itself keeps: `environ` and `unix`.

``environ:name``
    the environment; the name means nothing.  Keys are folded to small letters like those of every table of fixed strings, so
    that only variables with such names are found (as in Postfix).
``unix:passwd.byname``, ``unix:group.byname``
    accounts and groups by name, in the format of passwd(5) and group(5).  They come through the C library, so from whatever
    nsswitch.conf(5) names.

Known fault: where that is a directory server, there is no time limit on it but its own.
"""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Callable
from typing import Final

from mailrider.errors import TableTrouble, WrongConfiguration
from mailrider.tables.source import Surroundings
from mailrider.tables.table import fold_key


class EnvironmentTable:
    """`environ:`."""

    def __init__(self, name: str, surroundings: Surroundings) -> None:
        self.title = f"environ:{name}"
        self._folds = surroundings.folds

    def find(self, key: str) -> str | None:
        """The variable of this name."""
        # An equals sign would let a key reach into values; no variable has one in its name.
        if "=" in key or "\0" in key:
            return None
        return os.environ.get(fold_key(key) if self._folds else key)


class AccountTable:
    """`unix:`."""

    def __init__(self, name: str, surroundings: Surroundings) -> None:
        self.title = f"unix:{name}"
        if name not in _ACCOUNT_LISTS:
            raise WrongConfiguration(f"{self.title}: unknown table; there are {', '.join(_ACCOUNT_LISTS)}")
        self._find = _ACCOUNT_LISTS[name]
        self._folds = surroundings.folds

    def find(self, key: str) -> str | None:
        """The line of passwd(5) or group(5) for this name."""
        try:
            return self._find(fold_key(key) if self._folds else key)
        except (KeyError, ValueError):
            return None
        except OSError as trouble:
            raise TableTrouble(f"{self.title}: {trouble.strerror or trouble}") from None


def _find_account(name: str) -> str:
    found = pwd.getpwnam(name)
    return ":".join([str(field) for field in found])


def _find_group(name: str) -> str:
    found = grp.getgrnam(name)
    return f"{found.gr_name}:{found.gr_passwd}:{found.gr_gid}:{','.join(found.gr_mem)}"


_ACCOUNT_LISTS: Final[dict[str, Callable[[str], str]]] = {
    "passwd.byname": _find_account,
    "group.byname": _find_group,
}
