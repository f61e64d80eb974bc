from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.tables.components import LineServer, answer_socketmap, answer_tcp

from mailrider.errors import TableTrouble, WrongConfiguration
from mailrider.tables.opening import open_table
from mailrider.tables.source import Surroundings
from mailrider.tables.table import Table, close_table
from mailrider.tables.tcp import quote, unquote


@pytest.fixture(params=["tcp", "socketmap"])
def table(request: pytest.FixtureRequest) -> Iterator[Table]:
    server = LineServer(answer_tcp if request.param == "tcp" else answer_socketmap)
    name = f"tcp:127.0.0.1:{server.port}" if request.param == "tcp" else f"socketmap:inet:127.0.0.1:{server.port}:pairs"
    table = open_table(name, surroundings=Surroundings(time_limit_seconds=60.0))
    yield table
    close_table(table)
    server.close()


TROUBLE = {"tcp": ("soft", "longer", "bad", "odd", "high"), "socketmap": ("soft", "slow", "hard", "odd", "high", "unending")}


def test_answers_that_are_trouble_do_not_spoil_the_next(table: Table) -> None:
    for key in TROUBLE[table.title.partition(":")[0]]:
        with pytest.raises(TableTrouble):
            table.find(key)
        assert table.find("key") == "value"


@given(st.binary())
def test_quoting(octets: bytes) -> None:
    quoted = quote(octets)
    assert quoted.isascii()
    assert b"\n" not in quoted
    assert b" " not in quoted
    assert unquote(quoted) == octets


def test_what_is_quoted() -> None:
    assert quote(b"a b%c\n\xff~!") == b"a%20b%25c%0A%FF~!"
    for text in (b"%", b"%4", b"%zz", b"%%"):
        with pytest.raises(ValueError):
            unquote(text)


@pytest.mark.parametrize("title", ["tcp:x", "tcp:unix:/x", "socketmap:inet:a", "socketmap:x:y:z", "socketmap:unix:/x:"])
def test_names_that_make_no_sense(title: str) -> None:
    if title == "tcp:x":
        title = "tcp:x:"
    with pytest.raises(WrongConfiguration, match=r"write (tcp|socketmap):|neither"):
        open_table(title)
