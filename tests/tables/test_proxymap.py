"""proxymap(8) as a table asks it.  What the real one does is asked in tests/postfix."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrider.attributes.plain import AttributeReader, Value, encode_attributes
from mailrider.errors import TableTrouble, WrongConfiguration
from mailrider.tables.dialogue import BrokenDialogue, Dialogue, MalformedAnswer
from mailrider.tables.proxymap import FOLD_FLAG, LOCK_FLAG, PATTERN_FLAG, UTF8_FLAG, ProxiedTable, Proxymap, receive_list
from mailrider.tables.source import Surroundings

GREETING = encode_attributes([("protocol", "proxymap_protocol")])
PATIENT_SECONDS = 60.0

Said = dict[str, str]
Answer = Callable[[Said], bytes | None]


def answer_well(question: Said) -> bytes | None:
    """As proxymap(8) does for a table with one key; the flags of the table are 4711."""
    if question["table"] == "hash:/denied":
        status, value = 4, ""
    elif question.get("key", "key") == "key":
        status, value = 0, "välue"
    else:
        status, value = {"retry": 2, "bad": 3, "config": 5, "odd": 77}.get(question["key"], 1), ""
    head: list[tuple[str, Value]] = [("status", status)]
    if question["request"] == "open" or "instance_flags" in question:
        head.append(("flags", 4711))
    return encode_attributes([*head, ("value", value)] if question["request"] == "lookup" else head)


class Service:
    """Listens at `path`; `answer` None hangs up."""

    def __init__(self, path: str, answer: Answer = answer_well, greeting: bytes = GREETING) -> None:
        self.answer = answer
        self.greeting = greeting
        self.heard: list[Said] = []
        self.connections: list[socket.socket] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(path)
        self._listener.listen()
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()
        self.hang_up()

    def hang_up(self) -> None:
        while self.connections:
            with suppress(OSError):
                self.connections.pop().shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        threads = []
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self.connections.append(client)
                threads.append(threading.Thread(target=self._serve, args=(client,)))
                threads[-1].start()
        self.hang_up()
        for thread in threads:
            thread.join()

    def _serve(self, client: socket.socket) -> None:
        reader = AttributeReader()
        with suppress(OSError), client:
            client.sendall(self.greeting)
            while octets := client.recv(65536):
                reader.feed(octets)
                while (found := reader.take()) is not None:
                    said = {name.decode(): value.decode("utf-8", "surrogateescape") for name, value in found.pairs}
                    self.heard.append(said)
                    answer = self.answer(said)
                    if answer is None:
                        return
                    client.sendall(answer)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)  # the path of a socket may not be long
    return "proxymap"


@pytest.fixture
def service(path: str) -> Iterator[Service]:
    service = Service(path)
    yield service
    service.close()


def a_table(path: str, name: str = "hash:/x", warnings: list[str] | None = None, **manner: bool) -> ProxiedTable:
    tell = pytest.fail if warnings is None else warnings.append
    proxymap = Proxymap(path, **manner)
    return proxymap.open_table(name, Surroundings(tell, time_limit_seconds=PATIENT_SECONDS))


@pytest.fixture
def table(path: str, service: Service) -> Iterator[ProxiedTable]:
    table = a_table(path)
    yield table
    table.close()


def test_what_is_asked(service: Service, table: ProxiedTable) -> None:
    wanted = str(LOCK_FLAG | FOLD_FLAG | UTF8_FLAG)
    assert table.title == "proxy:hash:/x"
    assert table.find("key") == "välue"
    assert table.find("kéy") is None
    assert service.heard == [
        {"request": "open", "table": "hash:/x", "flags": wanted},
        {"request": "lookup", "table": "hash:/x", "flags": wanted, "key": "key"},
        {"request": "lookup", "table": "hash:/x", "flags": wanted, "key": "kéy"},
    ]


def test_what_is_asked_of_newer_releases(path: str, service: Service) -> None:
    table = a_table(path, parts_flags=True, utf8=False)
    assert table.find("key") == "välue"
    table.close()
    wanted = str(LOCK_FLAG | FOLD_FLAG)
    assert service.heard == [
        {"request": "open", "table": "hash:/x", "instance_flags": wanted},
        {"request": "lookup", "table": "hash:/x", "instance_flags": wanted, "flags": "4711", "key": "key"},
    ]


def test_the_service_says_whether_it_is_a_table_of_patterns(path: str, service: Service) -> None:
    assert a_table(path).is_pattern is bool(4711 & PATTERN_FLAG)
    service.answer = lambda question: encode_attributes([("status", 0), ("flags", PATTERN_FLAG)])
    assert a_table(path).is_pattern


@pytest.mark.parametrize(
    ("key", "complaint"),
    [("retry", "table lookup error"), ("bad", "invalid request"), ("config", "configuration error"), ("odd", "status 77")],
)
def test_trouble_is_no_miss_and_does_not_spoil_the_next(table: ProxiedTable, key: str, complaint: str) -> None:
    with pytest.raises(TableTrouble, match=complaint):
        table.find(key)
    assert table.find("key") == "välue"


def test_a_table_that_is_not_served(path: str, service: Service, table: ProxiedTable) -> None:
    with pytest.raises(WrongConfiguration, match=r"proxy:hash:/denied: .*list it in proxy_read_maps"):
        a_table(path, "hash:/denied")
    service.answer = lambda question: answer_well({**question, "table": "hash:/denied"})
    for _ in range(2):
        with pytest.raises(TableTrouble, match="list it in proxy_read_maps"):
            table.find("key")
    service.answer = answer_well
    assert table.find("key") == "välue"


def test_a_service_that_is_not_there_yet(path: str) -> None:
    warnings: list[str] = []
    table = a_table(path, warnings=warnings)
    assert warnings == ["proxy:hash:/x: unix:proxymap: No such file or directory; lookups fail until proxymap(8) answers"]
    assert not table.is_pattern
    with pytest.raises(TableTrouble, match="No such file"):
        table.find("key")
    service = Service(path)
    try:
        assert table.find("key") == "välue"
    finally:
        service.close()
    assert len(warnings) == 1


def test_a_connection_that_was_kept_and_broke_is_made_anew(service: Service, table: ProxiedTable) -> None:
    service.hang_up()
    assert table.find("key") == "välue"


def test_releases_before_announcements(path: str, service: Service) -> None:
    service.greeting = b""
    table = a_table(path, announces=False)
    assert table.find("key") == "välue"
    table.close()


ODD = [
    b"\0", b"x\0y\0\0", b"status\0x\0value\0v\0\0", b"status\x000\0\0", b"value\0v\0status\x000\0\0",
    b"status\x000\0flags\x001\0value\0v\0\0", b"status\x000\0value\0v\0more\0x\0\0", b"status\x000\0value\0v\0\0status\0",
    b"\xff" * 1000 + b"\0\0\0", b"status\x0099999999999999999999999\0value\0v\0\0", b"x" * 600_000,
]  # fmt: skip


@pytest.mark.parametrize("octets", ODD, ids=range(len(ODD)))
def test_answers_that_make_no_sense(service: Service, table: ProxiedTable, octets: bytes) -> None:
    service.answer = lambda question: octets
    with pytest.raises(TableTrouble, match=r"proxy:hash:/x: .*makes no sense"):
        table.find("key")
    service.answer = answer_well
    assert table.find("key") == "välue"


@pytest.mark.parametrize("greeting", [encode_attributes([("protocol", "scache_protocol")]), b"\0", b"220 mail ESMTP\0\0\0"])
def test_somebody_else(path: str, service: Service, greeting: bytes) -> None:
    service.greeting = greeting
    warnings: list[str] = []
    a_table(path, warnings=warnings)
    assert "makes no sense" in warnings[0]


def test_one_that_hangs_up(path: str, service: Service) -> None:
    service.answer = lambda question: None
    warnings: list[str] = []
    table = a_table(path, warnings=warnings)
    with pytest.raises(TableTrouble, match="hung up"):
        table.find("key")


class Cut:
    """A dialogue that gives octets in pieces, and then hangs up."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = iter(pieces)

    def read_some(self) -> bytes:
        for piece in self._pieces:
            return piece
        raise BrokenDialogue("the server has hung up")


@given(st.lists(st.one_of(st.binary(min_size=1, max_size=20), st.sampled_from([b"status", b"flags", b"value", b"\0", b"0"]))))
def test_whatever_comes_in_whatever_pieces_is_a_list_or_an_error(pieces: list[bytes]) -> None:
    with suppress(BrokenDialogue, MalformedAnswer):
        found = receive_list(cast(Dialogue, Cut(pieces)))
        octets = b"".join(name + b"\0" + value + b"\0" for name, value in found.pairs) + b"\0"
        assert b"".join(pieces).startswith(octets)
