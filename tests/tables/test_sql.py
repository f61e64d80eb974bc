"""Servers that come and go, with sessions that are only played."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailrider.errors import TableTrouble, WrongConfiguration
from mailrider.tables.definition import Definition
from mailrider.tables.dialogue import Deadline
from mailrider.tables.source import Surroundings
from mailrider.tables.sql import ServedTable, Server, ServerTrouble, double_quotes


class Session:
    """Answers with the name of its server, or fails."""

    def __init__(self, table: Played, name: str) -> None:
        self.table, self.name = table, name

    def quote(self, text: str) -> str:
        return double_quotes(text)

    def query(self, text: str, deadline: Deadline) -> list[str | None]:
        self.table.queries.append((self.name, text))
        if self.name in self.table.broken:
            raise ServerTrouble("broken")
        return [self.name]

    def close(self) -> None:
        self.table.closed.append(self.name)


class Played(ServedTable):
    """Servers are named in `hosts`; a name that begins with a slash is a socket."""

    kind = "played"

    def _list_servers(self, definition: Definition) -> list[Server]:
        self.broken: set[str] = getattr(self, "broken", set())
        self.gone: set[str] = getattr(self, "gone", set())
        self.connected: list[str] = []
        self.closed: list[str] = []
        self.queries: list[tuple[str, str]] = []
        return [self._server(name) for name in definition.members("hosts")]

    def _server(self, name: str) -> Server:
        def connect(deadline: Deadline) -> Session:
            if name in self.gone:
                raise ServerTrouble("gone")
            self.connected.append(name)
            return Session(self, name)

        return Server(name, not name.startswith("/"), connect)


class World:
    """A played table, and a clock."""

    def __init__(self, folder: Path, hosts: str) -> None:
        self.seconds = 0.0
        (folder / "x.cf").write_text(f"hosts = {hosts}\nquery = q '%s'\n")
        self.table = Played(str(folder / "x.cf"), Surroundings(now_seconds=lambda: self.seconds))


def test_sockets_come_before_hosts_and_connections_are_kept(tmp_path: Path) -> None:
    world = World(tmp_path, "host, /socket, other")
    for _ in range(3):
        assert world.table.find("it's") == "/socket"
    assert world.table.connected == ["/socket"]
    assert world.table.queries[0] == ("/socket", "q 'it''s'")


def test_the_next_server_is_asked_and_the_first_rests(tmp_path: Path) -> None:
    world = World(tmp_path, "/first, second")
    world.table.gone.add("/first")
    assert world.table.find("a") == "second"
    world.table.gone.clear()
    world.seconds = 60.0
    assert world.table.find("a") == "second"
    world.table.close()
    world.seconds = 61.0
    assert world.table.find("a") == "/first"


def test_a_single_server_is_tried_twice_and_then_rests(tmp_path: Path) -> None:
    world = World(tmp_path, "only")
    assert world.table.find("a") == "only"
    world.table.broken.add("only")
    with pytest.raises(TableTrouble, match="only: broken"):
        world.table.find("a")
    assert len(world.table.connected) == 2
    world.table.broken.clear()
    with pytest.raises(TableTrouble, match="in a while"):
        world.table.find("a")
    world.seconds = 61.0
    assert world.table.find("a") == "only"


def test_a_connection_is_not_kept_for_ever(tmp_path: Path) -> None:
    world = World(tmp_path, "only")
    assert world.table.find("a") == "only"
    world.seconds = 59.0
    assert world.table.find("a") == "only"
    assert world.table.closed == []
    world.seconds = 119.0
    assert world.table.find("a") == "only"
    assert world.table.closed == ["only"]


def test_among_equals_chance_decides(tmp_path: Path) -> None:
    names = set()
    for _ in range(100):
        names.add(World(tmp_path, "a, b, c").table.find("k"))
    assert names == {"a", "b", "c"}


def test_the_older_way_to_write_a_query(tmp_path: Path) -> None:
    (tmp_path / "x.cf").write_text("hosts = h\ntable = t\nselect_field = v\nwhere_field = k\nadditional_conditions = and x\n")
    table = Played(str(tmp_path / "x.cf"), Surroundings())
    assert table.find("a") == "h"
    assert table.queries[0][1] == "SELECT v FROM t WHERE k='a' and x"
    (tmp_path / "x.cf").write_text("hosts = h\ntable = t\n")
    with pytest.raises(WrongConfiguration, match="select_field"):
        Played(str(tmp_path / "x.cf"), Surroundings())
