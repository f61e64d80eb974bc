"""`pgsql:/path`: a definition that names PostgreSQL servers (pgsql_table(5)).

Parameters: `hosts` (`host`, `host:port`, `inet:host:port`, `/folder` or `unix:/folder` of sockets, `postgresql://` URI;
`localhost`), `user`, `password`, `dbname`, `encoding` (`UTF8`), `query` or `select_function` or `table`, `select_field`,
`where_field`, `additional_conditions`; `result_format`, `domain`, `expansion_limit`, `retry_interval`, `idle_interval`; and
`timeout`, in seconds, which is ours.  What they leave open is as for every client of libpq, environment included.

The package `psycopg` is needed, of which only libpq's own functions are used: they alone let a time limit end a
connection in the making, and quote a key by the rules of an open one.

Known faults: libpq looks up the name of a host without a time limit, and keeps a row in memory however long it is.
"""

from __future__ import annotations

import importlib
import select
from typing import Any, Final

from mailrider.errors import WrongConfiguration
from mailrider.tables.definition import Definition
from mailrider.tables.dialogue import Deadline
from mailrider.tables.queried import ANSWER_LIMIT_OCTETS
from mailrider.tables.source import Surroundings
from mailrider.tables.sql import ROWS_LIMIT, ServedTable, Server, ServerTrouble, Session, read_query
from mailrider.tables.table import Table

SCHEMES: Final = ("postgresql://", "postgres://")

UNIX_RANK: Final = 0
HOST_RANK: Final = 1
URI_RANK: Final = 2


class PgsqlSession:
    """A connection through libpq."""

    def __init__(self, library: Any, parameters: bytes, encoding: str, deadline: Deadline) -> None:
        self._library = library
        connection = library.PGconn.connect_start(parameters)
        self._connection = connection
        try:
            self._connect(connection, deadline)
            self._run(f"SET client_encoding TO '{self.quote(encoding)}'".encode(), deadline)
        except BaseException:
            self.close()
            raise

    def _connect(self, connection: Any, deadline: Deadline) -> None:
        polling = self._library.PollingStatus
        if connection.status == self._library.ConnStatus.BAD:
            raise ServerTrouble(_describe(connection))
        status = polling.WRITING
        while status != polling.OK:
            self._await(deadline, select.POLLOUT if status == polling.WRITING else select.POLLIN)
            status = connection.connect_poll()
            if status == polling.FAILED:
                raise ServerTrouble(_describe(connection))
        connection.nonblocking = 1

    def _await(self, deadline: Deadline, event: int) -> None:
        poll = select.poll()
        try:
            poll.register(self._connection.socket, event)
        except self._library.PqError as trouble:
            raise ServerTrouble(str(trouble)) from None
        poll.poll(max(1, int(deadline.remaining_seconds() * 1000)))
        deadline.remaining_seconds()

    def quote(self, text: str) -> str:
        """`text`, harmless between single quotes."""
        try:
            quoted: bytes = self._library.Escaping(self._connection).escape_string(text.encode())
            return quoted.decode()
        except (self._library.PqError, UnicodeDecodeError) as trouble:
            raise ServerTrouble(f"cannot quote a key: {trouble}") from None

    def query(self, text: str, deadline: Deadline) -> list[str | None]:
        """The fields of all rows."""
        return self._run(text.encode(), deadline)

    def _run(self, query: bytes, deadline: Deadline) -> list[str | None]:
        connection = self._connection
        try:
            connection.send_query(query)
            # Row by row, so that an answer without an end does not fill the memory.
            connection.set_single_row_mode()
            while connection.flush():
                self._await(deadline, select.POLLIN | select.POLLOUT)
                connection.consume_input()
            return self._collect(deadline)
        except self._library.PqError as trouble:
            raise ServerTrouble(" ".join(str(trouble).split())) from None

    def _collect(self, deadline: Deadline) -> list[str | None]:
        """The fields that the last statement of a query brings; an error anywhere is trouble."""
        status = self._library.ExecStatus
        fields: list[str | None] = []
        answer: list[str | None] = []
        octets = 0
        while (result := self._fetch(deadline)) is not None:
            if result.status not in (status.SINGLE_TUPLE, status.TUPLES_OK, status.COMMAND_OK):
                raise ServerTrouble(_flatten(result.error_message) or f"an answer of status {result.status}")
            for value in _read_fields(result):
                octets += len(value)
                fields.append(value.decode("utf-8", "surrogateescape"))
            if octets > ANSWER_LIMIT_OCTETS or len(fields) > ROWS_LIMIT:
                raise ServerTrouble("the answer is too long")
            if result.status != status.SINGLE_TUPLE:
                answer, fields = fields, []
        return answer

    def _fetch(self, deadline: Deadline) -> Any:
        """The next result, or None after the last one."""
        while self._connection.is_busy():
            self._await(deadline, select.POLLIN)
            self._connection.consume_input()
        return self._connection.get_result()

    def close(self) -> None:
        """Hang up."""
        self._connection.finish()


class PgsqlTable(ServedTable):
    """`pgsql:`."""

    kind = "pgsql"

    def __init__(self, library: Any, name: str, surroundings: Surroundings) -> None:
        self._library = library
        super().__init__(name, surroundings)

    def _read_query(self, definition: Definition) -> str:
        function = definition.text("select_function")
        if function and not definition.text("query"):
            return f"SELECT {function}('%s')"
        return read_query(definition)

    def _list_servers(self, definition: Definition) -> list[Server]:
        encoding = definition.text("encoding", "UTF8", required=True)
        account = {"user": definition.text("user"), "password": definition.text("password")}
        base = definition.text("dbname")
        servers = []
        for text in definition.members("hosts") or ["localhost"]:
            if text.startswith(SCHEMES):
                servers.append(self._server(_hide_password(text), URI_RANK, text.encode(), encoding))
                continue
            if not base:
                raise WrongConfiguration(f"{self.title}: dbname is empty or not set, and needed for {text}")
            place = text.removeprefix("unix:").removeprefix("inet:")
            host, port = (place, "") if place.startswith("/") else _split_port(place)
            parameters = _write_parameters({"host": host, "port": port, "dbname": base, **account})
            servers.append(self._server(text, UNIX_RANK if host.startswith("/") else HOST_RANK, parameters, encoding))
        return servers

    def _server(self, name: str, rank: int, parameters: bytes, encoding: str) -> Server:
        def connect(deadline: Deadline) -> Session:
            return PgsqlSession(self._library, parameters, encoding, deadline)

        return Server(name, rank, connect)


def open_pgsql(name: str, surroundings: Surroundings) -> Table:
    """The table `pgsql:name`."""
    try:
        library = importlib.import_module("psycopg").pq
    except ImportError as trouble:
        raise WrongConfiguration(
            f"pgsql tables need the package psycopg (pip install 'psycopg[binary]'): {' '.join(str(trouble).split())}"
        ) from None
    return PgsqlTable(_Library(library), name, surroundings)


class _Library:
    """The names of libpq that are used here."""

    def __init__(self, pq: Any) -> None:
        self.PGconn = pq.PGconn
        self.Escaping = pq.Escaping
        self.PollingStatus = pq.PollingStatus
        self.ConnStatus = pq.ConnStatus
        self.ExecStatus = pq.ExecStatus
        self.PqError = importlib.import_module("psycopg").Error


def _read_fields(result: Any) -> list[bytes]:
    """Row by row.  The value null is an empty one, as for Postfix."""
    return [result.get_value(row, column) or b"" for row in range(result.ntuples) for column in range(result.nfields)]


def _split_port(place: str) -> tuple[str, str]:
    host, colon, port = place.rpartition(":")
    return (host, port) if colon else (place, "")


def _write_parameters(parameters: dict[str, str]) -> bytes:
    """A connection string of libpq; a parameter that is empty is left to its default."""
    pairs = []
    for name, value in parameters.items():
        if value:
            escaped = value.replace("\\", "\\\\").replace("'", "\\'")
            pairs.append(f"{name}='{escaped}'")
    return " ".join(pairs).encode("utf-8", "surrogateescape")


def _hide_password(uri: str) -> str:
    """A URI, fit for a log."""
    scheme, slashes, rest = uri.partition("://")
    account, at, place = rest.rpartition("@")
    shown = f"{account.partition(':')[0]}@{place}" if at else rest
    return f"{scheme}{slashes}{shown.partition('?')[0]}"


def _describe(connection: Any) -> str:
    return _flatten(connection.error_message) or "the connection has failed"


def _flatten(message: bytes) -> str:
    return " ".join(message.decode("utf-8", "replace").split())
