"""Every table that asks a server, with the server gone, silent, slow, talking nonsense, talking without end, and back again."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.tables.components import Gate, LineServer, answer_socketmap, answer_tcp
from tests.tables.test_contract import LDAP, MYSQL, PATIENT_SECONDS, PGSQL, QUERY, a_definition

from mailrider.errors import TableTrouble
from mailrider.tables import dialogue, sql
from mailrider.tables.dialogue import REST_SECONDS
from mailrider.tables.opening import open_table
from mailrider.tables.source import Surroundings
from mailrider.tables.table import Table, close_table

IMPATIENT_SECONDS = 0.1
"""The time limit where it is to be passed."""

AFTER_ALL_RESTS_SECONDS = max(REST_SECONDS, sql.INTERVAL_SECONDS) + 1


class World:
    """A gate before a server, a table that asks through it, and a clock."""

    def __init__(self, gate: Gate, title: str, limit_seconds: float = PATIENT_SECONDS) -> None:
        self.gate = gate
        self.seconds = 1000.0
        self.warnings: list[str] = []
        self.title = title
        surroundings = Surroundings(self.warnings.append, lambda: self.seconds, time_limit_seconds=limit_seconds)
        self.table: Table = open_table(title, surroundings=surroundings)

    def trouble(self) -> str:
        """What the table says instead of an answer."""
        with pytest.raises(TableTrouble) as trouble:
            self.table.find("key")
        text = str(trouble.value)
        assert text.startswith(f"{self.title}: ")
        assert "\n" not in text
        return text.removeprefix(f"{self.title}: ")


def _line_server(request: pytest.FixtureRequest, answer: Callable[[bytes], tuple[bytes, int]]) -> tuple[str, int]:
    server = LineServer(answer)
    request.addfinalizer(server.close)
    return "127.0.0.1", server.port


class Kind(NamedTuple):
    """Where the server is, the title of the table by the gate's port, and what makes no sense to it."""

    upstream: Callable[[pytest.FixtureRequest], tuple[str, int]]
    title: Callable[[Path, int], str]
    garbage: bytes


KINDS = {
    "tcp": Kind(lambda r: _line_server(r, answer_tcp), lambda d, port: f"tcp:127.0.0.1:{port}", b"hello there\n"),
    "socketmap": Kind(
        lambda r: _line_server(r, answer_socketmap), lambda d, port: f"socketmap:inet:127.0.0.1:{port}:pairs", b"hello there\n"
    ),
    "memcache": Kind(
        lambda r: ("127.0.0.1", r.getfixturevalue("memcached")),
        lambda d, port: f"memcache:{a_definition(d, f'memcache = inet:127.0.0.1:{port}')}",
        b"ERROR\r\n",
    ),
    "pgsql": Kind(
        lambda r: ("127.0.0.1", r.getfixturevalue("postgresql")[0]),
        lambda d, port: f"pgsql:{a_definition(d, PGSQL.format(port=port) + QUERY)}",
        b"Zhello there, this is not the protocol\r\n",
    ),
    "mysql": Kind(
        lambda r: ("127.0.0.1", r.getfixturevalue("mariadb")[0]),
        lambda d, port: f"mysql:{a_definition(d, MYSQL.format(port=port) + QUERY)}",
        b"\x10\x00\x00\x00hello there, this is not the protocol\r\n",
    ),
    "ldap": Kind(
        lambda r: ("127.0.0.1", r.getfixturevalue("slapd")),
        lambda d, port: f"ldap:{a_definition(d, LDAP.format(port=port))}",
        b"\x30\x05\x02\x01\x63\x41\x00 this is not the protocol",
    ),
}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    return KINDS[request.param]


@pytest.fixture
def gate(kind: Kind, request: pytest.FixtureRequest) -> Iterator[Gate]:
    gate = Gate(kind.upstream(request))
    gate.garbage = kind.garbage
    yield gate
    gate.close()


@pytest.fixture
def world(kind: Kind, gate: Gate, tmp_path: Path) -> Iterator[World]:
    world = World(gate, kind.title(tmp_path, gate.port))
    yield world
    close_table(world.table)


@pytest.fixture
def hasty(kind: Kind, gate: Gate, tmp_path: Path) -> Iterator[World]:
    """One whose patience is short."""
    world = World(gate, kind.title(tmp_path, gate.port), IMPATIENT_SECONDS)
    yield world
    close_table(world.table)


def test_a_server_that_is_gone(world: World) -> None:
    world.gate.turn(Gate.GONE)
    assert "refused" in world.trouble()
    world.gate.open()
    world.seconds += AFTER_ALL_RESTS_SECONDS
    assert world.table.find("key") == "value"


def test_a_server_that_is_gone_for_a_while_only(world: World) -> None:
    assert world.table.find("key") == "value"
    world.gate.turn(Gate.GONE)
    world.trouble()
    world.gate.open()
    world.seconds += AFTER_ALL_RESTS_SECONDS
    assert world.table.find("key") == "value"
    assert world.table.find("nothing") is None


def test_a_connection_is_kept(world: World) -> None:
    for _ in range(5):
        assert world.table.find("two") == "second thing"
    assert world.gate.accepted == 1


def test_a_connection_that_was_lost_meanwhile_is_made_anew_at_once(world: World) -> None:
    assert world.table.find("key") == "value"
    world.gate.cut()
    assert world.table.find("two") == "second thing"
    assert world.gate.accepted == 2


def test_a_server_that_hangs_up(world: World) -> None:
    world.gate.turn(Gate.HANG_UP)
    world.trouble()
    assert world.gate.accepted <= 2


def test_a_silent_server(hasty: World) -> None:
    hasty.gate.turn(Gate.SILENT)
    assert "time limit" in (said := hasty.trouble()) or "within 0.1 seconds" in said
    asked = hasty.gate.accepted
    # It is left alone for a while, so that others do not wait for it again.
    assert "in a while" in hasty.trouble()
    assert hasty.gate.accepted == asked
    hasty.seconds += AFTER_ALL_RESTS_SECONDS
    hasty.trouble()
    assert hasty.gate.accepted > asked


def test_a_server_that_was_silent_is_asked_again_when_it_is_back(hasty: World, monkeypatch: pytest.MonkeyPatch) -> None:
    hasty.gate.turn(Gate.SILENT)
    hasty.trouble()
    hasty.gate.turn(Gate.OPEN)
    hasty.seconds += AFTER_ALL_RESTS_SECONDS
    # What it then takes to answer depends on the machine.
    monkeypatch.setattr(dialogue.Deadline, "remaining_seconds", lambda self: PATIENT_SECONDS)
    assert hasty.table.find("key") == "value"


def test_a_server_that_talks_slowly(hasty: World) -> None:
    # Each octet comes soon after the one before, and the answer never ends.
    hasty.gate.turn(Gate.DRIP)
    hasty.trouble()


def test_a_server_that_talks_nonsense(hasty: World, monkeypatch: pytest.MonkeyPatch) -> None:
    hasty.gate.turn(Gate.GARBAGE)
    hasty.trouble()
    hasty.gate.turn(Gate.OPEN)
    hasty.seconds += AFTER_ALL_RESTS_SECONDS
    monkeypatch.setattr(dialogue.Deadline, "remaining_seconds", lambda self: PATIENT_SECONDS)
    assert hasty.table.find("key") == "value"


def test_a_server_that_talks_without_end(hasty: World) -> None:
    hasty.gate.garbage = b"x"
    hasty.gate.turn(Gate.FLOOD)
    hasty.trouble()


@pytest.mark.parametrize("seed", range(3))
def test_a_server_that_says_anything_at_all(hasty: World, seed: int) -> None:
    hasty.gate.garbage = random.Random(seed).randbytes(300)
    hasty.gate.turn(Gate.GARBAGE)
    hasty.trouble()
