from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrider.errors import WrongUsage
from mailrider.model.texts import SHOWN_CHARACTERS, check_text, clip, hide_values, show


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"])))
def test_any_text_without_controls_is_let_through(text: str) -> None:
    assert check_text("sender", text) == text


def test_octets_that_were_never_text_are_let_through() -> None:
    text = b"caf\xe9\xff".decode("utf-8", "surrogateescape")
    assert check_text("sender", text) == text


@pytest.mark.parametrize("code", [*range(0x20), 0x7F])
def test_controls_are_refused(code: int) -> None:
    with pytest.raises(WrongUsage, match=r"^sender 'a.* contains a control character$"):
        check_text("sender", f"a{chr(code)}b")


@pytest.mark.parametrize("code", [0xD800, 0xDC00, 0xDC7F, 0xDD00, 0xDFFF])
def test_half_a_character_is_refused(code: int) -> None:
    with pytest.raises(WrongUsage, match="half a character"):
        check_text("sender", f"a{chr(code)}b")


@pytest.mark.parametrize("value", [None, 1, b"a@b", ["a@b"], {"a": "b"}])
def test_what_is_no_text_is_refused(value: object) -> None:
    with pytest.raises(WrongUsage, match=r"^sender is .*, expected a text$"):
        check_text("sender", value)


def test_a_long_text_is_clipped() -> None:
    assert clip("x" * SHOWN_CHARACTERS) == "x" * SHOWN_CHARACTERS
    assert clip("x" * (SHOWN_CHARACTERS + 1)) == "x" * SHOWN_CHARACTERS + "..."


def test_a_value_of_any_size_has_room_in_a_sentence() -> None:
    deep: list[object] = []
    for _ in range(10_000):
        deep = [deep]
    for value in ("x" * 10_000, list(range(10_000)), deep, 10**1000, {"a": "b" * 10_000}):
        assert len(show(value)) < 4 * SHOWN_CHARACTERS
    assert show("a") == "'a'"


@pytest.mark.parametrize(
    ("sentence", "hidden"),
    [
        ("texthash:/etc/passwords: cannot read /etc/passwords", "texthash:/etc/passwords: cannot read /etc/passwords"),
        ("inline:{a=b:hush}", "inline:{***}"),
        ("inline:{{a=b:hush}, {c=d:hush}}", "inline:{***}, {***}}"),
        ("inline:{a=b:hush", "inline:{***}"),
        ("inline:a=b:hush: \"hush\" does not begin with a {", 'inline:***: "***" does not begin with a {***}'),
        ("proxy:static:hush", "proxy:static:***"),
        ("static:hu sh", "static:***"),
        ('unionmap:{static:hush}: missing "hush', 'unionmap:{***}: missing "***"'),
    ],
)
def test_tables_of_passwords_are_told_without_them(sentence: str, hidden: str) -> None:
    assert hide_values(sentence) == hidden
    assert "hush" not in hide_values(sentence)


@given(st.text(alphabet='ab{}":, =', max_size=20), st.text(alphabet='ab{}":, =', max_size=20))
def test_no_table_in_braces_shows_its_beginning(before: str, after: str) -> None:
    assert "hush" not in hide_values(f"inline:{{x={before.replace('}', '')}hush{after}")
