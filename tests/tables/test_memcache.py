from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.ports import free_port
from tests.tables.components import fill_memcached

from mailrider.errors import TableTrouble, WrongConfiguration
from mailrider.tables.opening import open_table
from mailrider.tables.source import Surroundings
from mailrider.tables.table import Table, close_table

Open = Callable[..., Table]


@pytest.fixture
def warnings() -> list[str]:
    return []


@pytest.fixture
def make(tmp_path: Path, warnings: list[str]) -> Iterator[Open]:
    tables: list[Table] = []

    def make(port: int, text: str = "") -> Table:
        path = tmp_path / f"{len(tables)}.cf"
        path.write_text(f"memcache = inet:127.0.0.1:{port}\n{text}\n")
        tables.append(open_table(f"memcache:{path}", surroundings=Surroundings(warnings.append, time_limit_seconds=60.0)))
        return tables[-1]

    yield make
    for table in tables:
        close_table(table)


def test_the_backup_is_asked_and_its_answer_kept(make: Open, memcached: int) -> None:
    prefix = "key_format = backup-%s\n"
    assert make(memcached, prefix).find("one") is None
    table = make(memcached, prefix + "backup = inline:{one=1, { two = second thing }}")
    assert [table.find(key) for key in ("one", "ONE", "two", "three")] == ["1", "1", "second thing", None]
    assert [make(memcached, prefix).find(key) for key in ("one", "two", "three")] == ["1", "second thing", None]


def test_the_backup_stands_in_for_a_server_that_is_gone(make: Open) -> None:
    port = free_port()
    with pytest.raises(TableTrouble, match="refused"):
        make(port).find("a")
    table = make(port, "backup = inline:{a=b}")
    assert (table.find("a"), table.find("c")) == ("b", None)
    with pytest.raises(TableTrouble, match="always fails"):
        make(port, "backup = fail:x").find("a")


def test_what_is_too_long_is_not_kept(make: Open, memcached: int, warnings: list[str]) -> None:
    table = make(memcached, "key_format = long-%s\nbackup = static:0123456789\ndata_size_limit = 5")
    assert table.find("a") == "0123456789"
    assert "not kept" in warnings[0]
    fill_memcached(memcached, {"long-a": "0123456789", "long-b": "\udcff"})
    with pytest.raises(TableTrouble, match="makes no sense"):
        make(memcached, "key_format = long-%s\ndata_size_limit = 5").find("a")
    with pytest.raises(TableTrouble, match="UTF-8"):
        make(memcached, "key_format = long-%s").find("b")


def test_definitions_that_make_no_sense(make: Open) -> None:
    for text in ("key_format = %x", "key_digest = sha256", "ttl = x", "backup = nosuch:x", "memcache = x:"):
        with pytest.raises(WrongConfiguration):
            make(1, text)
