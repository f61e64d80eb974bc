from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from mailrider.errors import TableTrouble, WrongConfiguration
from mailrider.tables.maps import Maps, open_maps
from mailrider.tables.table import Table


class Broken:
    title = "broken:table"

    def find(self, key: str) -> str | None:
        raise TableTrouble("broken:table: no answer")


def test_the_first_table_that_has_a_value_wins() -> None:
    maps: Table = open_maps("generic_maps", "inline:{a=1}, inline:{a=2 b=3} static:4")
    assert maps.title == "generic_maps"
    assert [maps.find(key) for key in ("a", "b", "c", "")] == ["1", "3", "4", None]


def test_an_empty_list_knows_nothing() -> None:
    maps = open_maps("generic_maps", "")
    assert not maps
    assert maps.find("a") is None
    assert open_maps("generic_maps", "static:x")


def test_partial_keys_are_for_fixed_tables_only() -> None:
    maps = open_maps("policy_maps", "regexp:{{/./ pattern}}, inline:{.example.test=fixed}")
    assert maps.find(".example.test") == "pattern"
    assert maps.find(".example.test", partial=True) == "fixed"


def test_trouble_stops_the_search() -> None:
    maps = Maps("generic_maps", [open_maps("", "inline:{a=1}"), Broken(), open_maps("", "static:x")])
    assert maps.find("a") == "1"
    with pytest.raises(TableTrouble, match="no answer"):
        maps.find("b")


def test_an_empty_text_is_trouble() -> None:
    with pytest.raises(TableTrouble, match=r'generic_maps: inline:\{a=\} has an empty text for "a"'):
        open_maps("generic_maps", "inline:{a=}, static:x").find("a")


def test_a_table_that_cannot_be_opened_is_named_with_its_parameter() -> None:
    with pytest.raises(WrongConfiguration, match=r'^generic_maps: .*"nosql"'):
        open_maps("generic_maps", "static:x nosql:y")


def test_warnings_are_passed_on() -> None:
    warnings: list[str] = []
    open_maps("generic_maps", "cidr:{{x y}}", warn=warnings.append)
    assert len(warnings) == 1


def test_a_table_may_be_defined_in_main_cf(tmp_path: Path) -> None:
    path = tmp_path / "users.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE users (name, value)")
        database.execute("INSERT INTO users VALUES ('key', 'found')")
    database.close()
    main_cf = {"mine_dbpath": str(path), "mine_query": "SELECT value FROM users WHERE name = '%s'"}
    maps = open_maps("some_maps", "sqlite:mine", find_parameter=main_cf.get)
    assert maps.find("key") == "found"
    assert maps.find("other") is None
    with pytest.raises(WrongConfiguration, match="not read here"):
        open_maps("some_maps", "sqlite:mine")


PASSWORD_MAPS = "smtp_sasl_password_maps"


@pytest.mark.parametrize(
    "text", ["inline:{{a=b:hush}}x", "inline:{a=b:hush,c}", "inline:b:hush", "unionmap:{hush}", "inlin:{hush}", "randmap:hush"]
)
def test_a_password_in_main_cf_is_in_no_message(text: str) -> None:
    with pytest.raises(WrongConfiguration, match=PASSWORD_MAPS) as caught:
        open_maps(PASSWORD_MAPS, text)
    assert "hush" not in str(caught.value)


def test_a_password_in_main_cf_is_in_no_trouble_of_a_lookup() -> None:
    maps = open_maps(PASSWORD_MAPS, "pipemap:{inline:{a=hush},fail:x}")
    with pytest.raises(TableTrouble) as caught:
        maps.find("a")
    assert "hush" not in str(caught.value)


def test_a_password_in_main_cf_is_in_no_warning() -> None:
    heard: list[str] = []
    open_maps(PASSWORD_MAPS, "regexp:{{/[hush/ x}}", warn=heard.append)
    assert heard
    assert "hush" not in "".join(heard)
