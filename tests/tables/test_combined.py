from __future__ import annotations

import pytest

from mailrider.errors import TableTrouble, WrongConfiguration
from mailrider.tables.opening import open_table
from mailrider.tables.table import takes_partial_keys


def test_a_pipe() -> None:
    table = open_table("pipemap:{inline:{a=b, x=y}, pipemap:{inline:{b=c}, static:end}}")
    assert [table.find(key) for key in ("a", "A", "x", "b")] == ["end", "end", None, None]


def test_a_union() -> None:
    table = open_table("unionmap:{inline:{a=1}, inline:{a=2, b=3}}")
    assert [table.find(key) for key in ("a", "b", "c")] == ["1,2", "3", None]


def test_a_table_that_fails_is_trouble_for_all() -> None:
    for title in ("pipemap:{static:x, fail:y}", "unionmap:{static:x, fail:y}"):
        with pytest.raises(TableTrouble):
            open_table(title).find("a")
    assert open_table("pipemap:{inline:{a=b}, fail:y}").find("x") is None


def test_the_first_table_decides_about_parts_of_keys() -> None:
    for kind in ("pipemap", "unionmap"):
        assert takes_partial_keys(open_table(f"{kind}:{{static:x, randmap:{{y}}}}"))
        assert not takes_partial_keys(open_table(f"{kind}:{{randmap:{{y}}, static:x}}"))


@pytest.mark.parametrize("name", ["x", "{}", "{a}", "{static:x", "{static:x} y", "{static:x, y}"])
def test_names_that_make_no_sense(name: str) -> None:
    for kind in ("pipemap", "unionmap"):
        with pytest.raises(WrongConfiguration, match="write "):
            open_table(f"{kind}:{name}")


def test_tables_within_tables_come_to_an_end() -> None:
    with pytest.raises(WrongConfiguration, match="tables within tables"):
        open_table("pipemap:{" * 200 + "static:x" + "}" * 200)
