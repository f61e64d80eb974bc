"""What `sqlite`, `pgsql` and `mysql` tables have in common: the query, and servers that come and go.

Servers are asked as Postfix asks them: those behind a unix socket before others, among equals one by chance; a connection
is kept for `idle_interval` seconds after it was used; a server that failed is left alone for `retry_interval` seconds.  Of a
single server two connections are known, so that one that was lost in the meantime is replaced at once.

What differs from Postfix: there is a time limit (`timeout` in the definition, in seconds, which Postfix would ignore) for
the lookup as a whole, of which each server that could be asked gets its part.
"""

from __future__ import annotations

import random
from abc import abstractmethod
from collections.abc import Callable, Iterable
from typing import Final, Protocol

from mailrider.errors import TableTrouble
from mailrider.tables.definition import Definition
from mailrider.tables.dialogue import Deadline, SlowDialogue
from mailrider.tables.key_template import KeyTemplates
from mailrider.tables.queried import QueriedTable

ROWS_LIMIT: Final = 100_000
"""More values than that are no answer to a question about one key."""

INTERVAL_SECONDS: Final = 60
"""The default of `retry_interval` and `idle_interval`."""


class ServerTrouble(Exception):
    """A server could not be asked, or has answered with an error; the message says which."""


class Session(Protocol):
    """An open connection to a server."""

    def quote(self, text: str) -> str:
        """`text`, harmless between single quotes.  Raises `ServerTrouble`."""

    def query(self, text: str, deadline: Deadline) -> list[str | None]:
        """The fields of all rows.  Raises `ServerTrouble`, `SlowDialogue`."""

    def close(self) -> None:
        """Hang up."""


class Server:
    """One server, whose session may be open."""

    def __init__(self, name: str, rank: int, connect: Callable[[Deadline], Session]) -> None:
        self.name = name
        self.rank = rank
        self.connect = connect
        self.session: Session | None = None
        self.used_seconds = 0.0
        self.rests_until_seconds: float | None = None

    def close(self) -> None:
        """Hang up."""
        if self.session is not None:
            self.session.close()
        self.session = None


def read_query(definition: Definition) -> str:
    """The query, or one made of `select_field`, `table`, `where_field` and `additional_conditions`."""
    query = definition.text("query")
    if query:
        return query
    table = definition.text("table", required=True)
    field = definition.text("select_field", required=True)
    where = definition.text("where_field", required=True)
    return f"SELECT {field} FROM {table} WHERE {where}='%s' {definition.text('additional_conditions')}"


class ServedTable(QueriedTable):
    """A table whose definition names servers of a database."""

    _servers: tuple[Server, ...] = ()

    def __del__(self) -> None:
        self.close()

    @abstractmethod
    def _list_servers(self, definition: Definition) -> list[Server]:
        """The servers of the definition.  Raises `WrongConfiguration`."""

    def _read_query(self, definition: Definition) -> str:
        return read_query(definition)

    def _configure(self, definition: Definition) -> KeyTemplates:
        self.close()
        self._retry_seconds = definition.number("retry_interval", INTERVAL_SECONDS, 1)
        self._idle_seconds = definition.number("idle_interval", INTERVAL_SECONDS, 1)
        self._query = self._read_query(definition)
        servers = self._list_servers(definition)
        # A single one is tried twice, since its connection may have been lost while nothing was asked.
        self._servers = tuple(servers if len(servers) > 1 else servers + self._list_servers(definition))
        result_format = definition.text("result_format", "%s", required=True)
        return KeyTemplates(self.title, [self._query], result_format)

    def close(self) -> None:
        """Let go of what is open; the next lookup opens it again."""
        for server in self._servers:
            server.close()

    def _ask(self, key: str) -> Iterable[str | None] | None:
        if self._templates.expand_query(self._query, key) is None:
            return None
        now_seconds = self._surroundings.now_seconds()
        deadline = Deadline(self._time_limit_seconds)
        reasons: list[str] = []
        candidates = self._order(now_seconds)
        for position, server in enumerate(candidates):
            try:
                # Each gets its part of what is left, so that a silent one leaves time for the others.
                share = Deadline(deadline.remaining_seconds() / (len(candidates) - position))
                fields = self._query_server(server, key, share)
            except (ServerTrouble, SlowDialogue) as trouble:
                server.close()
                server.rests_until_seconds = now_seconds + self._retry_seconds
                reasons.append(f"{server.name}: {trouble}")
                continue
            server.used_seconds = now_seconds
            return fields
        reason = "; ".join(dict.fromkeys(reasons)) or "every server has failed a moment ago; they are asked again in a while"
        raise TableTrouble(f"{self.title}: {reason}")

    def _order(self, now_seconds: float) -> list[Server]:
        """The servers that may be asked, in their turn."""
        for server in self._servers:
            if server.session is not None and now_seconds - server.used_seconds >= self._idle_seconds:
                server.close()
        awake = [s for s in self._servers if s.rests_until_seconds is None or now_seconds > s.rests_until_seconds]
        return sorted(awake, key=lambda server: (server.session is None, server.rank, random.random()))

    def _query_server(self, server: Server, key: str, deadline: Deadline) -> list[str | None]:
        if server.session is None:
            server.session = server.connect(deadline)
            server.rests_until_seconds = None
        query = self._templates.expand_query(self._query, key, _Quoter(server.session))
        fields = server.session.query(query or "", deadline)
        if len(fields) > ROWS_LIMIT:
            raise ServerTrouble(f"more than {ROWS_LIMIT} fields in the answer")
        return fields


class _Quoter:
    """Quotes by the rules of an open session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def __call__(self, text: str) -> str:
        return self._session.quote(text)


def double_quotes(text: str) -> str:
    """SQL's own way to write a single quote between single quotes."""
    return text.replace("'", "''")
