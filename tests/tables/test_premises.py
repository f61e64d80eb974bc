from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from mailrider.errors import TableTrouble, WrongConfiguration
from mailrider.tables.fixed import InlineTable
from mailrider.tables.maps import open_maps
from mailrider.tables.opening import open_table
from mailrider.tables.premises import Premises, current_premises, enter_premises, leave_premises
from mailrider.tables.source import Surroundings
from mailrider.tables.table import Table, takes_partial_keys


@contextmanager
def on(premises: Premises) -> Iterator[None]:
    token = enter_premises(premises)
    try:
        yield
    finally:
        leave_premises(token)


def test_everywhere_else_a_table_that_cannot_be_opened_is_a_wrong_setting() -> None:
    assert current_premises() == Premises()
    with pytest.raises(WrongConfiguration):
        open_table("texthash:/no/such/file")


@pytest.mark.parametrize("title", ["texthash:/no/such/file", "regexp:/no/such/file", "nis:x"])
def test_a_table_that_is_unavailable_fails_each_lookup(title: str) -> None:
    told: list[str] = []
    with on(Premises(tell_unavailable=told.append)):
        table = open_table(title)
    (reason,) = told
    assert table.title == title
    assert not takes_partial_keys(table)
    for _ in range(2):
        with pytest.raises(TableTrouble) as trouble:
            table.find("key")
        assert str(trouble.value) == f"{title} is unavailable. {reason}"


def test_only_what_needs_the_table_fails() -> None:
    told: list[str] = []
    with on(Premises(tell_unavailable=told.append)):
        maps = open_maps("smtp_generic_maps", "inline:{a=b}, texthash:/no/such/file")
    assert len(told) == 1
    assert maps.find("a") == "b"
    with pytest.raises(TableTrouble, match="is unavailable"):
        maps.find("c")


def test_a_name_without_a_type_stays_a_wrong_setting() -> None:
    with on(Premises(tell_unavailable=pytest.fail)), pytest.raises(WrongConfiguration):
        open_table("sometable")


def test_tables_behind_the_prefix_are_opened_by_the_proxy_wherever_they_stand() -> None:
    asked: list[str] = []

    def open_proxied(name: str, surroundings: Surroundings) -> Table:
        asked.append(name)
        return InlineTable("{k=v}", surroundings)

    with on(Premises(open_proxied)):
        assert open_table("proxy:proxy:hash:/no/such/file").find("k") == "v"
        assert open_table("unionmap:{proxy:ldap:x, inline:{k=w}}").find("k") == "v,w"
        assert open_table("inline:{k=w}").find("k") == "w"
    assert asked == ["hash:/no/such/file", "ldap:x"]
    with pytest.raises(WrongConfiguration):
        open_table("proxy:hash:/no/such/file")
