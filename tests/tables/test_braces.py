from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailrider.errors import WrongConfiguration
from mailrider.tables.braces import split_members, take_braced, take_stripped


@pytest.mark.parametrize(
    ("text", "members"),
    [
        ("", []),
        (" , ,", []),
        ("a", ["a"]),
        ("a, b\tc\r\nd", ["a", "b", "c", "d"]),
        ("{a, b}, c", ["{a, b}", "c"]),
        ("x{a, b}y z", ["x{a, b}y", "z"]),
        ("{{a b} {c}} d", ["{{a b} {c}}", "d"]),
        ("{a b", ["{a b"]),
        ("a} b", ["a}", "b"]),
        ("}{a b}", ["}{a b}"]),
    ],
)
def test_members(text: str, members: list[str]) -> None:
    assert list(split_members(text)) == members


@settings(deadline=None)
@given(st.text(st.sampled_from("{}, ab\n")))
def test_members_are_never_empty_and_keep_all_letters(text: str) -> None:
    members = list(split_members(text))
    assert all(members)
    joined = "".join(members)
    assert [letter for letter in joined if letter in "{}ab"] == [letter for letter in text if letter in "{}ab"]


def test_what_is_in_braces() -> None:
    assert take_braced("{ a {b} }") == " a {b} "
    assert take_stripped("{ a {b} }") == "a {b}"


@pytest.mark.parametrize("text", ["", "a", " {a}", "{a", "{a}b", "{a}{b}", "{{a}"])
def test_what_is_not_in_braces(text: str) -> None:
    with pytest.raises(WrongConfiguration):
        take_braced(text)
