from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailrider.errors import TableTrouble, WrongConfiguration
from mailrider.tables.opening import open_table
from mailrider.tables.source import Surroundings
from mailrider.tables.table import Table, close_table


class World:
    """A definition, a file of SQLite, and a clock."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.seconds = 0.0
        self.warnings: list[str] = []
        self.tables: list[Table] = []
        self.fill("base", "b")

    def fill(self, name: str, value: str) -> None:
        base = sqlite3.connect(self.folder / name)
        base.executescript(f"create table t (k, v); insert into t values ('a', '{value}'), ('n', 5), ('raw', x'61ff');")
        base.close()

    def open(self, text: str = "query = select v from t where k = '%s'", limit_seconds: float = 60.0) -> Table:
        (self.folder / "x.cf").write_text(f"dbpath = {self.folder}/base\n{text}\n")
        surroundings = Surroundings(self.warnings.append, lambda: self.seconds, limit_seconds)
        self.tables.append(open_table(f"sqlite:{self.folder}/x.cf", surroundings=surroundings))
        return self.tables[-1]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    for table in world.tables:
        close_table(table)


def test_a_file_that_is_replaced_is_opened_anew(world: World) -> None:
    table = world.open()
    assert (table.find("a"), table.find("n")) == ("b", "5")
    world.fill("other", "c")
    os.replace(world.folder / "other", world.folder / "base")
    assert table.find("a") == "c"
    (world.folder / "base").unlink()
    with pytest.raises(TableTrouble, match="No such file"):
        table.find("a")


def test_a_definition_that_changes_is_read_again(world: World) -> None:
    table = world.open()
    assert table.find("a") == "b"
    path = world.folder / "x.cf"
    path.write_text(path.read_text() + "result_format = <%s>\n")
    world.seconds = 1.0
    assert table.find("a") == "<b>"
    path.write_text("nonsense\n")
    world.seconds = 2.0
    with pytest.raises(TableTrouble, match="no name = value"):
        table.find("a")


def test_a_query_without_end_is_ended(world: World) -> None:
    endless = "query = with recursive x(n) as (select 1 union all select n + 1 from x) select count(*) from x where '%s' = '%s'"
    with pytest.raises(TableTrouble, match="no answer within"):
        world.open(endless, 0.05).find("a")


def test_trouble(world: World) -> None:
    for query in ("select v from none where k = '%s'", "select v from t where k = '%s'; select 1", "nonsense '%s'"):
        with pytest.raises(TableTrouble):
            world.open(f"query = {query}").find("a")
    with pytest.raises(TableTrouble, match="no UTF-8"):
        world.open().find("raw")


def test_a_part_outside_quotes_is_warned_of(world: World) -> None:
    world.open("query = select v from t where k = %s and '%d' <> '%%'")
    assert [warning for warning in world.warnings if "%s stands outside" in warning]


def test_definitions_that_make_no_sense(world: World) -> None:
    for text in ("query = select %x", "table = t", "expansion_limit = x\nquery = q", "timeout = -1\nquery = q"):
        with pytest.raises(WrongConfiguration):
            world.open(text)


def test_a_domain_list(world: World) -> None:
    table = world.open("query = select 'x' where '%s' <> ''\ndomain = example.com, !example.org, static:all")
    assert [table.find(key) for key in ("a@example.com", "a@example.org", "a@example.net", "a", "a@")] == [
        "x",
        None,
        "x",
        None,
        None,
    ]
