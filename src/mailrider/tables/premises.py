"""Where tables are opened: what differs inside of an installation of Postfix.

There, `proxy:` tables are asked of proxymap(8), and a table that cannot be opened fails the mail that needs it instead of the
whole agent (`daemon_table_open_error_is_fatal = no`).  Everywhere else whoever asks opens what follows `proxy:` himself, and a
table that cannot be opened is a wrong setting.

The premises belong to a context (PEP 567) and not to the process, so that tables deep inside of others, and those that a part
opens for itself much later, are opened on the premises of the agent that they work for.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar, Token
from typing import Final, NamedTuple

from mailrider.errors import TableTrouble
from mailrider.tables.source import Surroundings
from mailrider.tables.table import Table


class Premises(NamedTuple):
    """`open_proxied` opens what follows `proxy:`; None: as if the prefix were not there.

    `tell_unavailable` hears why a table could not be opened, which is unavailable then; None: that is a wrong setting.
    """

    open_proxied: Callable[[str, Surroundings], Table] | None = None
    tell_unavailable: Callable[[str], None] | None = None


_PREMISES: Final[ContextVar[Premises]] = ContextVar("table premises", default=Premises())  # noqa: B039 (frozen)


def enter_premises(premises: Premises) -> Token[Premises]:
    """From here on tables of this context are opened there; `leave_premises` takes the token."""
    return _PREMISES.set(premises)


def leave_premises(token: Token[Premises]) -> None:
    """Back to where this context was before."""
    _PREMISES.reset(token)


def current_premises() -> Premises:
    """Where this context is."""
    return _PREMISES.get()


class UnavailableTable:
    """A table that could not be opened: every lookup is trouble.  It opens when the agent is started anew."""

    is_pattern = True

    def __init__(self, title: str, reason: str) -> None:
        self.title = title
        self._reason = reason

    def find(self, key: str) -> str | None:
        """Raises `TableTrouble`."""
        raise TableTrouble(f"{self.title} is unavailable. {self._reason}")
