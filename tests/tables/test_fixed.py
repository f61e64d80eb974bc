from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailrider.errors import MailriderError, WrongConfiguration
from mailrider.tables.fixed import InlineTable, TextHashTable, open_static
from mailrider.tables.source import Surroundings


def open_texthash(path: Path, text: str) -> tuple[TextHashTable, list[str]]:
    path.write_text(text)
    warnings: list[str] = []
    return TextHashTable(str(path), Surroundings(warnings.append)), warnings


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("{a=b}", {"a": "b", "A": "b", "b": None}),
        ("{ A = b }", None),
        ("{{ A = b c }, d=e}", {"a": "b c", "D": "e"}),
        ("{a=1, a=2}", {"a": "2"}),
        ("{a=b=c,{d=}}", {"a": "b=c", "d": ""}),
        ('{{"a b" = c}}', {'"a b"': "c", "a b": None}),
        ("{{a={b c}}}", {"a": "{b c}"}),
        ("{x}", None),
        ("{}", None),
        ("{ }", None),
        ("{a=b", None),
        ("{a=b} ", None),
        ("a=b", None),
        ("{{a=b}c}", None),
        ('{"a=b}', None),
    ],
)
def test_inline_tables(name: str, values: dict[str, str | None] | None) -> None:
    if values is None:
        with pytest.raises(WrongConfiguration, match=r"^inline:"):
            InlineTable(name, Surroundings())
    else:
        table = InlineTable(name, Surroundings())
        assert {key: table.find(key) for key in values} == values


@settings(deadline=None)
@given(st.text(st.characters() | st.sampled_from('{}=, "\\')))
def test_any_name_is_an_inline_table_or_wrong(name: str) -> None:
    try:
        table = InlineTable("{" + name + "}", Surroundings())
    except MailriderError:
        return
    assert table.find("no such key in here") is None


@pytest.mark.parametrize(("name", "value"), [("a", "a"), ("{ a b }", "a b"), ("a b", "a b"), ("{}", "")])
def test_static_tables_say_one_thing(name: str, value: str) -> None:
    table = open_static(name, Surroundings())
    assert table.find("x") == table.find("") == value
    assert table.title == f"static:{name}"


def test_a_static_table_with_an_open_brace_is_refused() -> None:
    with pytest.raises(WrongConfiguration, match=r"^static:\{a: missing \}"):
        open_static("{a", Surroundings())


def test_a_file_of_keys(tmp_path: Path) -> None:
    table, warnings = open_texthash(
        tmp_path / "table",
        '# comment\nPlain  value with blanks \n"the answer is"\t42\nfolded\n  over lines\nback\\ slash x\n',
    )
    values = {
        "plain": "value with blanks",
        "PLAIN": "value with blanks",
        '"the answer is"': "42",
        "folded": "over lines",
        "back\\ slash": "x",
        "the": None,
    }
    assert {key: table.find(key) for key in values} == values
    assert warnings == []


def test_lines_that_make_no_sense_are_warned_of(tmp_path: Path) -> None:
    path = tmp_path / "table"
    table, warnings = open_texthash(path, '"the answer is 42\nxxx: yyy\nxxx\naaa bbb\nAAA ccc\n')
    assert [table.find(key) for key in ("xxx:", "xxx", "aaa")] == ["yyy", None, "bbb"]
    assert [warning.removeprefix(f"texthash:{path}, ") for warning in warnings] == [
        'line 1: ignored for its unbalanced quote: ""the answer is 42"',
        "line 2: the key ends in a colon, as in an alias file",
        "line 3: ignored, since a line is a key, white space and a value",
        'line 5: ignored duplicate entry "AAA"',
    ]


def test_braces_are_a_file_name_here() -> None:
    with pytest.raises(WrongConfiguration, match="cannot read"):
        TextHashTable("{a b}", Surroundings())
