"""The servers that tables ask, started for the tests in folders of their own, and what stands between."""

from __future__ import annotations

import contextlib
import glob
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import unquote_to_bytes

import pytest
from tests.ports import free_port

START_SECONDS = 60
"""More than any of them takes on a busy machine."""

PAIRS = {"key": "value", "two": "second thing", "user@example.com": "smtp:[relay.example.net]:25", "quo'te": "o'k"}
"""What is in the table of every kind."""


def find_program(name: str, package: str, *places: str) -> str:
    """The path of a program, or the test is skipped."""
    for place in places:
        for path in sorted(glob.glob(f"{place}/{name}"), reverse=True):
            return path
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/bin")
    if path is None:
        pytest.skip(f"{name} is not installed (Debian package {package})")
    return path


class Account:
    """Whom a server runs as: root may not run some of them."""

    def __init__(self, *names: str) -> None:
        self.name: str | None = None
        if os.geteuid() == 0:
            for name in (*names, "nobody"):
                with contextlib.suppress(KeyError):
                    pwd.getpwnam(name)
                    self.name = name
                    return

    def own(self, path: Path) -> None:
        if self.name is not None:
            shutil.chown(path, self.name, pwd.getpwnam(self.name).pw_gid)

    def options(self) -> dict[str, object]:
        if self.name is None:
            return {}
        return {"user": self.name, "group": pwd.getpwnam(self.name).pw_gid, "extra_groups": []}


@contextlib.contextmanager
def a_folder(account: Account) -> Iterator[Path]:
    """A folder that the server may enter; pytest's own are closed to others."""
    with tempfile.TemporaryDirectory(prefix="mailrider-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        account.own(folder)
        yield folder


@contextlib.contextmanager
def running(
    command: list[str], account: Account, folder: Path, is_ready: Callable[[], bool], end: int = signal.SIGKILL
) -> Iterator[None]:
    """A server, until it is no longer wanted; nothing that it has is to be kept."""
    with (folder / "log").open("wb") as log:
        options = account.options()
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=folder, **options)  # type: ignore[call-overload]
    try:
        too_late = time.monotonic() + START_SECONDS
        while not is_ready():
            if process.poll() is not None or time.monotonic() > too_late:
                pytest.fail(f"{command[0]} does not run: {(folder / 'log').read_text(errors='replace')[-2000:]}")
            time.sleep(0.02)
        yield
    finally:
        process.send_signal(end)
        process.wait(START_SECONDS)


def answers(port: int) -> bool:
    """Whether somebody listens there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextlib.contextmanager
def postgresql() -> Iterator[tuple[int, Path]]:
    """A private cluster: its port, and the folder of its socket.  Database and user are called mail."""
    initdb = find_program("initdb", "postgresql", "/usr/lib/postgresql/*/bin")
    server, client = str(Path(initdb).with_name("postgres")), str(Path(initdb).with_name("psql"))
    account = Account("postgres")
    with a_folder(account) as folder:
        data = folder / "data"
        run(account, folder, [initdb, "-D", str(data), "-A", "trust", "-U", "mail", "-N", "-E", "UTF8", "--locale=C"])
        port = free_port()
        listening = ["-h", "127.0.0.1", "-p", str(port), "-k", str(folder)]
        ask = [client, "-h", str(folder), "-p", str(port), "-U", "mail", "-d", "postgres", "-Atqc"]

        def is_ready() -> bool:
            return subprocess.run([*ask, "select 1"], capture_output=True, check=False).returncode == 0

        with running([server, "-D", str(data), *listening, "-F"], account, folder, is_ready, signal.SIGINT):
            subprocess.run([*ask, "create database mail"], check=True)
            ask[-2] = "mail"
            subprocess.run([*ask, SQL_TABLES.replace("varbinary(50)", "bytea")], check=True)
            yield port, folder


@contextlib.contextmanager
def mariadb() -> Iterator[tuple[int, Path]]:
    """A private server: its port, and its socket.  The user root has no password, the user mail has `secret'word`."""
    install = find_program("mariadb-install-db", "mariadb-server")
    server, client = find_program("mariadbd", "mariadb-server"), find_program("mariadb", "mariadb-client")
    account = Account("mysql")
    with a_folder(account) as folder:
        data, place = folder / "data", folder / "s"
        options = ["--no-defaults", f"--datadir={data}"]
        run(account, folder, [install, *options, "--auth-root-authentication-method=normal", "--skip-test-db"])
        port = free_port()
        listening = [f"--socket={place}", "--bind-address=127.0.0.1", f"--port={port}", f"--pid-file={folder}/pid"]
        light = ["--skip-name-resolve", "--skip-log-bin", "--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=8M"]
        ask = [client, "--no-defaults", f"--socket={place}", "--user=root"]
        accounts = "create user 'mail'@'%' identified by 'secret''word'; grant all on mail.* to 'mail'@'%';"
        with running([server, *options, *listening, *light], account, folder, lambda: answers(port)):
            text = f"create database mail character set utf8mb4; {accounts} use mail; {SQL_TABLES}{MYSQL_PROCEDURES}"
            subprocess.run(ask, input=text, text=True, check=True)
            yield port, place


@contextlib.contextmanager
def memcached() -> Iterator[int]:
    """A server with `PAIRS`, where a key may be in it: its port."""
    program = find_program("memcached", "memcached")
    account = Account("nobody")
    port = free_port()
    with a_folder(account) as folder:
        command = [program, "-l", "127.0.0.1", "-p", str(port), "-m", "8", "-t", "1", "-U", "0"]
        with running(command, account, folder, lambda: answers(port)):
            fill_memcached(port, PAIRS)
            yield port


def fill_memcached(port: int, pairs: dict[str, str]) -> None:
    with socket.create_connection(("127.0.0.1", port)) as server:
        for key, value in pairs.items():
            octets = value.encode("utf-8", "surrogateescape")
            server.sendall(b"set %b 0 0 %d\r\n%b\r\n" % (key.encode(), len(octets), octets))
            assert server.recv(100) == b"STORED\r\n"


@contextlib.contextmanager
def slapd() -> Iterator[int]:
    """A directory: its port.  The base is dc=example, the manager cn=manager,dc=example with the password secret."""
    program = find_program("slapd", "slapd", "/usr/lib/slapd")
    adder = find_program("slapadd", "slapd")
    account = Account("openldap")
    with a_folder(account) as folder:
        (folder / "data").mkdir()
        account.own(folder / "data")
        (folder / "slapd.conf").write_text(SLAPD_CONF.format(folder=folder))
        (folder / "entries").write_text(ENTRIES)
        run(account, folder, [adder, "-q", "-f", "slapd.conf", "-l", "entries"])
        port = free_port()
        command = [program, "-d", "0", "-f", str(folder / "slapd.conf"), "-h", f"ldap://127.0.0.1:{port}"]
        with running(command, account, folder, lambda: answers(port)):
            yield port


def run(account: Account, folder: Path, command: list[str]) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, **account.options())  # type: ignore[call-overload]
    assert done.returncode == 0, done.stdout + done.stderr


def quote_sql(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


SQL_TABLES = (
    "create table pairs (k varchar(200), v varchar(200), extra varchar(50), raw varbinary(50));"
    + "".join([f"insert into pairs values ({quote_sql(k)}, {quote_sql(v)}, null, null);" for k, v in PAIRS.items()])
    + "insert into pairs values ('many', 'one', 'a', null), ('many', 'two', '', null), ('many', null, 'c', null);"
    + "insert into pairs values ('empty', '', null, null), ('back\\slash', 'b', null, null);"
    + "insert into pairs values ('joe', 'joe@real.example', null, null), ('ümlaut', 'grün', null, null);"
)
MYSQL_PROCEDURES = """
delimiter //
create procedure once(in wanted varchar(200)) begin select v from pairs where k = wanted; end//
create procedure twice() begin select 'a'; select 'b'; end//
create procedure nothing() begin set @x = 1; end//
"""
SQL_TABLES = SQL_TABLES.replace("'back\\slash'", "'back/slash'")

SLAPD_CONF = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
include /etc/ldap/schema/dyngroup.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {folder}/pid
allow bind_v2
sizelimit 500
database mdb
suffix dc=example
directory {folder}/data
maxsize 10485760
rootdn cn=manager,dc=example
rootpw secret
"""


def _person(name: str, *lines: str) -> str:
    return "\n".join([f"dn: cn={name},dc=example", "objectClass: inetOrgPerson", f"cn: {name}", f"sn: {name}", *lines, "", ""])


ENTRIES = (
    "dn: dc=example\nobjectClass: domain\ndc: example\n\n"
    + "".join([_person(f"p{number}", f"uid: {k}", f"mail: {v}") for number, (k, v) in enumerate(PAIRS.items())])
    + _person("many", "uid: many", "mail: one", "mail: two")
    + _person("none", "uid: none")
    + _person("terminal", "uid: terminal", "mail: a", "description: b")
    + _person("pointer", "uid: pointer", "seeAlso: cn=p0,dc=example", "seeAlso: cn=gone,dc=example", "mail: own", "title: leaf")
    + _person("circle", "uid: circle", "seeAlso: cn=circle,dc=example")
    + _person("url", "uid: url", "labeledURI: ldap:///dc=example?mail?sub?(uid=many)")
    + _person("wide", "uid: wide", "labeledURI: ldap:///dc=example?cn?sub?(uid=many)")
    + _person("joe", "uid: joe@inner.example", "mail: joe@real.example")
    + _person("star*", "uid: star*", "mail: star")
    + "dn: dc=inner,dc=example\nobjectClass: domain\ndc: inner\n\n"
)


class Gate:
    """Stands before a server: lets connections through, or refuses them, swallows what is said, or answers nonsense."""

    OPEN, GONE, SILENT, GARBAGE, DRIP, FLOOD, HANG_UP = "open", "gone", "silent", "garbage", "drip", "flood", "hang up"

    def __init__(self, upstream: tuple[str, int] | str) -> None:
        self._upstream = upstream
        self.mode = Gate.OPEN
        self.garbage = b""
        self.accepted = 0
        self._sockets: list[socket.socket] = []
        self._listener: socket.socket | None = None
        self.port = 0
        self.open()

    def open(self) -> None:
        """Listen, at the same port as before."""
        self.mode = Gate.OPEN
        if self._listener is None:
            self._listener = socket.create_server(("127.0.0.1", self.port))
            self.port = self._listener.getsockname()[1]
            threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def turn(self, mode: str) -> None:
        """Break all connections; new ones are treated in this way."""
        self.mode = mode
        if mode == Gate.GONE and self._listener is not None:
            # Shutting down wakes the thread that accepts.
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        self.cut()

    def cut(self) -> None:
        """Break all connections."""
        for connection in self._sockets:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._sockets.clear()

    def close(self) -> None:
        self.turn(Gate.GONE)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            self.accepted += 1
            self._sockets.append(client)
            threading.Thread(target=self._serve, args=(client, self.mode), daemon=True).start()

    def _serve(self, client: socket.socket, mode: str) -> None:
        with contextlib.suppress(OSError), client:
            if mode == Gate.OPEN:
                self._relay(client)
            elif mode == Gate.HANG_UP:
                client.shutdown(socket.SHUT_RDWR)
            elif mode == Gate.SILENT:
                while client.recv(4096):
                    pass
            elif mode == Gate.GARBAGE:
                client.sendall(self.garbage)
                while client.recv(4096):
                    client.sendall(self.garbage)
            elif mode == Gate.DRIP:
                while True:
                    client.sendall(self.garbage[:1])
                    time.sleep(0.01)
            elif mode == Gate.FLOOD:
                while True:
                    client.sendall(self.garbage * 1000)

    def _relay(self, client: socket.socket) -> None:
        if isinstance(self._upstream, str):
            server = socket.socket(socket.AF_UNIX)
            server.connect(self._upstream)
        else:
            server = socket.create_connection(self._upstream)
        self._sockets.append(server)
        with server:
            threading.Thread(target=_pump, args=(server, client), daemon=True).start()
            _pump(client, server)


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(65536):
            target.sendall(piece)
    for end in (source, target):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


class LineServer:
    """Answers by a function from what has come so far to what is said, and how much of it that settles."""

    def __init__(self, answer: Callable[[bytes], tuple[bytes, int]]) -> None:
        self._answer = answer
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        waiting = b""
        with contextlib.suppress(OSError), client:
            while piece := client.recv(65536):
                waiting += piece
                while True:
                    said, settled = self._answer(waiting)
                    if not settled:
                        break
                    waiting = waiting[settled:]
                    client.sendall(said)


def answer_tcp(waiting: bytes) -> tuple[bytes, int]:
    """tcp_table(5) with `PAIRS`, and some keys of its own."""
    line, end, _ = waiting.partition(b"\n")
    if not end:
        return b"", 0
    key = unquote_to_bytes(line.removeprefix(b"get ")).decode("utf-8", "replace")
    special = {"soft": b"400 try later\n", "percent": b"200 a%20b%25c%0A\n", "long": b"200 " + b"x" * 4091 + b"\n"}
    special |= {"longer": b"200 " + b"x" * 4093 + b"\n", "bad": b"200 %zz\n", "odd": b"300 what\n", "high": b"200 %ff\n"}
    if key in special:
        return special[key], len(line) + 1
    if key in PAIRS:
        return b"200 %b\n" % PAIRS[key].replace(" ", "%20").encode(), len(line) + 1
    return b"500 not%20found\n", len(line) + 1


def answer_socketmap(waiting: bytes) -> tuple[bytes, int]:
    """socketmap_table(5) with `PAIRS` in the map `pairs`, and some keys of its own."""
    length, colon, rest = waiting.partition(b":")
    if not colon or len(rest) <= int(length):
        return b"", 0
    settled = len(length) + int(length) + 2
    name, _, key_octets = rest[: int(length)].partition(b" ")
    key = key_octets.decode("utf-8", "replace")
    special = {
        "soft": b"TEMP later",
        "slow": b"TIMEOUT ",
        "hard": b"PERM no",
        "odd": b"WHAT",
        "empty": b"OK ",
        "high": b"OK \xff",
    }
    if key == "unending":
        return b"4:OK a;", settled
    if name != b"pairs":
        said = b"PERM no such map"
    elif key in special:
        said = special[key]
    else:
        said = b"OK " + PAIRS[key].encode() if key in PAIRS else b"NOTFOUND "
    return b"%d:%b," % (len(said), said), settled
