"""A connection to an LDAP server, through the package `ldap3`, with limits on its time and its answers.

Known faults: over TLS the time limit counts for each piece of an answer and not for all of it; a host name is looked up
without a limit.
"""

from __future__ import annotations

import importlib
import math
import warnings
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from mailrider.errors import WrongConfiguration
from mailrider.tables.dialogue import TIME_LIMIT_TEXT, BoundedSocket, Deadline
from mailrider.tables.queried import ANSWER_LIMIT_OCTETS

SUCCESS: Final = 0
NO_SUCH_OBJECT: Final = 32

SCOPES: Final = {"base": "BASE", "one": "LEVEL", "sub": "SUBTREE"}
"""What ldap_table(5) calls them, and what the library does."""

DEREFERENCES: Final = ("NEVER", "SEARCH", "BASE", "ALWAYS")
"""By the numbers of ldap_table(5)."""


class DirectoryTrouble(Exception):
    """The server could not be asked, or its answer is an error; the message says which."""


class ConnectionGone(DirectoryTrouble):
    """The server went away; another connection may do."""


class DirectoryTimeout(DirectoryTrouble):
    """The deadline has passed."""


class Entry(NamedTuple):
    """One that a search has found: attributes with their values, in the server's order."""

    attributes: Mapping[str, list[bytes]]


class Account(NamedTuple):
    """How to ask: protocol version, whether and as whom to bind, referrals, aliases, TLS."""

    version: int = 3
    binds: bool = True
    name: str = ""
    password: str = ""
    chases_referrals: bool = False
    dereference: str = "NEVER"
    starts_tls: bool = False
    tls: Mapping[str, Any] = {}


class Search(NamedTuple):
    """One question."""

    base: str
    scope: str
    filter: str
    attributes: list[str]
    size_limit: int = 0


def load_library() -> Any:
    """The package `ldap3`; raises `WrongConfiguration` where it is missing."""
    try:
        with warnings.catch_warnings():
            # It uses names that its own dependency calls outdated.
            warnings.simplefilter("ignore", DeprecationWarning)
            return importlib.import_module("ldap3")
    except ImportError as trouble:
        raise WrongConfiguration(f"ldap tables need the package ldap3 (pip install ldap3): {trouble}") from None


class Directory:
    """An open connection.  Raises `DirectoryTrouble`."""

    def __init__(self, library: Any, uri: str, account: Account, deadline: Deadline) -> None:
        self._library = library
        self._account = account
        self._connection: Any = None
        self._socket: BoundedSocket | None = None
        try:
            self._connect(uri, deadline)
        except BaseException as trouble:
            self.close()
            raise self._translate(trouble) from None

    def _connect(self, uri: str, deadline: Deadline) -> None:
        library, account = self._library, self._account
        seconds = deadline.remaining_seconds()
        tls = library.Tls(**account.tls)
        # Where the directory sends us on, we go without a name and a password, like the clients of OpenLDAP.
        strangers = [("*", False)]
        server = library.Server(uri, get_info=library.NONE, connect_timeout=seconds, tls=tls, allowed_referral_hosts=strangers)
        self._connection = library.Connection(
            server,
            user=account.name or None,
            password=account.password or None,
            version=account.version,
            authentication=library.SIMPLE if account.name else library.ANONYMOUS,
            receive_timeout=math.ceil(seconds),  # in whole seconds, for TLS
            auto_referrals=account.chases_referrals,
            auto_encode=False,
            auto_escape=False,
            check_names=False,
            raise_exceptions=False,
            return_empty_attributes=False,
        )
        self._connection.open(read_server_info=False)
        self._bound()
        self._limit(deadline)
        if account.starts_tls and not self._connection.start_tls(read_server_info=False):
            raise DirectoryTrouble(f"STARTTLS has failed: {self._describe()}")
        if account.binds and not self._connection.bind(read_server_info=False):
            raise DirectoryTrouble(f"bind has failed: {self._describe()}")

    def _bound(self) -> None:
        """Have every call on the socket end in time."""
        plain = self._connection.socket
        if type(plain).__module__ != "ssl":
            self._socket = BoundedSocket(plain.family, plain.type, plain.proto, fileno=plain.detach())
            self._connection.socket = self._socket

    def _limit(self, deadline: Deadline) -> None:
        if isinstance(self._connection.socket, BoundedSocket):
            self._connection.socket.begin(deadline, ANSWER_LIMIT_OCTETS)

    def search(self, question: Search, deadline: Deadline) -> list[Entry] | None:
        """What is found, or None where the base does not exist."""
        library, connection = self._library, self._connection
        try:
            self._limit(deadline)
            connection.search(
                question.base,
                question.filter,
                search_scope=getattr(library, question.scope),
                dereference_aliases=getattr(library, f"DEREF_{self._account.dereference}"),
                attributes=question.attributes or [library.NO_ATTRIBUTES],
                size_limit=question.size_limit,
            )
        except BaseException as trouble:
            self.close()
            raise self._translate(trouble) from None
        code = connection.result.get("result")
        if code == NO_SUCH_OBJECT:
            return None
        if code != SUCCESS:
            raise DirectoryTrouble(f"search has failed: {self._describe()}")
        return [Entry(entry["raw_attributes"]) for entry in connection.response or () if entry["type"] == "searchResEntry"]

    def close(self) -> None:
        """Hang up."""
        connection, self._connection = self._connection, None
        if connection is not None and connection.socket is not None:
            connection.socket.close()
        # The library may have let go of it without closing it.
        if self._socket is not None:
            self._socket.close()

    def _describe(self) -> str:
        result = self._connection.result or {}
        parts = [str(result.get("description", "no result")), str(result.get("message") or "")]
        return ": ".join([" ".join(part.split()) for part in parts if part])

    def _translate(self, trouble: BaseException) -> BaseException:
        """What the library raises, as trouble; a server that speaks nonsense makes it stumble in many ways."""
        if isinstance(trouble, DirectoryTrouble) or not isinstance(trouble, Exception):
            return trouble
        errors = importlib.import_module("ldap3.core.exceptions")
        text = " ".join(str(trouble).split()) or type(trouble).__name__
        if "timed out" in text or TIME_LIMIT_TEXT in text or isinstance(trouble, TimeoutError):
            return DirectoryTimeout(TIME_LIMIT_TEXT)
        if isinstance(trouble, errors.LDAPCommunicationError | OSError):
            return ConnectionGone(text)
        return DirectoryTrouble(text)
