"""`mysql:/path`: a definition that names MySQL or MariaDB servers (mysql_table(5)).

Parameters: `hosts` (`host`, `host:port`, `inet:host:port`, `unix:/path`; `localhost`, which is the socket of this machine),
`user`, `password`, `dbname`, `charset` (`utf8mb4`), `query` or `table`, `select_field`, `where_field`,
`additional_conditions`; `result_format`, `domain`, `expansion_limit`, `retry_interval`, `idle_interval`,
`require_result_set`; `option_file`, `option_group`; `tls_key_file`, `tls_cert_file`, `tls_CAfile`, `tls_CApath`,
`tls_ciphers`, `tls_verify_cert`; and `timeout`, in seconds, which is ours.

Needs the package `PyMySQL`.

What differs from Postfix: option files of the system are read only where `option_file` or `option_group` is set; a server is
asked over TLS only where one of the `tls_` parameters is set.

Known fault: over TLS the time limit counts for each piece of an answer and not for all of it.
"""

from __future__ import annotations

import importlib
from typing import Any, Final

from mailrider.errors import WrongConfiguration
from mailrider.tables.definition import Definition
from mailrider.tables.dialogue import TIME_LIMIT_TEXT, BoundedSocket, Deadline, Endpoint, SlowDialogue
from mailrider.tables.queried import ANSWER_LIMIT_OCTETS
from mailrider.tables.source import Surroundings
from mailrider.tables.sql import ServedTable, Server, ServerTrouble, Session
from mailrider.tables.table import Table

LOCAL_SOCKET: Final = "/run/mysqld/mysqld.sock"
"""Where a server on this machine listens, by the custom of Debian and others."""

USUAL_PORT: Final = "3306"

UNIX_RANK: Final = 0
HOST_RANK: Final = 1

_TLS_PARAMETERS: Final = {
    "tls_key_file": "key",
    "tls_cert_file": "cert",
    "tls_CAfile": "ca",
    "tls_CApath": "capath",
    "tls_ciphers": "cipher",
}


class MysqlSession:
    """A connection through PyMySQL."""

    def __init__(self, library: Any, endpoint: Endpoint, options: dict[str, Any], needs_rows: bool, deadline: Deadline) -> None:
        self._needs_rows = needs_rows
        self._socket: BoundedSocket | None = None
        try:
            self._socket = endpoint.connect(deadline)
            self._socket.begin(deadline, ANSWER_LIMIT_OCTETS)
            limit_seconds = deadline.remaining_seconds()
            # Values come as they are written; numbers are the names of types of columns.
            conversions = library.converters.conversions.items()
            kept = {kind: convert for kind, convert in conversions if not isinstance(kind, int)}
            self._connection = library.connections.Connection(
                **options,
                host=endpoint.host or "localhost",
                unix_socket=endpoint.path or None,
                read_timeout=limit_seconds,
                write_timeout=limit_seconds,
                defer_connect=True,
                conv=kept,
            )
            self._connection.connect(self._socket)
        except BaseException as trouble:
            # A server that speaks nonsense makes the library stumble in many ways.
            self._drop()
            raise _translate(trouble) from None

    def _drop(self) -> None:
        if self._socket is not None:
            self._socket.close()

    def quote(self, text: str) -> str:
        """`text`, harmless between single quotes."""
        try:
            with self._connection.cursor() as cursor:
                quoted: str = cursor.mogrify("%s", (text,))
        except Exception as trouble:
            raise _translate(trouble) from None
        return quoted[1:-1]

    def query(self, text: str, deadline: Deadline) -> list[str | None]:
        """The fields of all rows of the only result set."""
        assert self._socket is not None
        self._socket.begin(deadline, ANSWER_LIMIT_OCTETS)
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(text)
                return self._collect(cursor)
        except BaseException as trouble:
            raise _translate(trouble) from None

    def _collect(self, cursor: Any) -> list[str | None]:
        answer: list[str | None] | None = None
        while True:
            if cursor.description is not None:
                if answer is not None:
                    raise ServerTrouble("a query with more than one result set is not supported")
                answer = [_write(field) for row in cursor.fetchall() for field in row]
            if not cursor.nextset():
                break
        if answer is None and self._needs_rows:
            raise ServerTrouble("the query has no result set (require_result_set = yes)")
        return answer or []

    def close(self) -> None:
        """Hang up, without a word."""
        self._connection._force_close()
        self._drop()


class MysqlTable(ServedTable):
    """`mysql:`."""

    kind = "mysql"

    def __init__(self, library: Any, name: str, surroundings: Surroundings) -> None:
        self._library = library
        super().__init__(name, surroundings)

    def _list_servers(self, definition: Definition) -> list[Server]:
        options: dict[str, Any] = {
            "user": definition.text("user") or None,
            "password": definition.text("password"),
            "database": definition.text("dbname", required=True),
            "charset": definition.text("charset", "utf8mb4", required=True),
            **_read_tls(definition),
        }
        for parameter, option in (("option_file", "read_default_file"), ("option_group", "read_default_group")):
            if definition.text(parameter):
                options[option] = definition.text(parameter)
        needs_rows = definition.is_on("require_result_set", True)
        return [self._server(text, options, needs_rows) for text in definition.members("hosts") or ["localhost"]]

    def _server(self, text: str, options: dict[str, Any], needs_rows: bool) -> Server:
        place = text.removeprefix("inet:")
        if not text.startswith("unix:"):
            host, colon, port = place.rpartition(":")
            host, port = (host, port) if colon else (place, USUAL_PORT)
            place = f"unix:{LOCAL_SOCKET}" if host.lower() == "localhost" else f"inet:{host}:{port}"
        endpoint = Endpoint(place)

        def connect(deadline: Deadline) -> Session:
            return MysqlSession(self._library, endpoint, options, needs_rows, deadline)

        return Server(text, UNIX_RANK if text.startswith("unix:") else HOST_RANK, connect)


def open_mysql(name: str, surroundings: Surroundings) -> Table:
    """The table `mysql:name`."""
    try:
        library = importlib.import_module("pymysql")
    except ImportError as trouble:
        raise WrongConfiguration(f"mysql tables need the package PyMySQL (pip install PyMySQL): {trouble}") from None
    return MysqlTable(library, name, surroundings)


def _read_tls(definition: Definition) -> dict[str, Any]:
    """What the library wants to hear about TLS; nothing where nothing is set."""
    given = {option: definition.text(parameter) for parameter, option in _TLS_PARAMETERS.items() if definition.text(parameter)}
    verify = definition.is_on("tls_verify_cert", False)
    if not given and not verify:
        return {}
    return {"ssl": {**given, "verify_mode": verify, "check_hostname": verify}}


def _translate(trouble: BaseException) -> BaseException:
    """What the library raises, as trouble with the server; what is no error of a program goes through."""
    if isinstance(trouble, ServerTrouble | SlowDialogue) or not isinstance(trouble, Exception):
        return trouble
    text = _describe(trouble)
    if "timed out" in text or TIME_LIMIT_TEXT in text:
        return SlowDialogue(TIME_LIMIT_TEXT)
    return ServerTrouble(text)


def _describe(trouble: Exception) -> str:
    text = str(trouble.args[-1] if trouble.args else trouble) or type(trouble).__name__
    return " ".join(text.split())


def _write(field: object) -> str | None:
    if isinstance(field, bytes):
        return field.decode("utf-8", "surrogateescape")
    return None if field is None else str(field)
