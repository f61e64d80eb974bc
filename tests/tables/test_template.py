from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailrider.tables.template import WrongTemplate, parse_template


@pytest.mark.parametrize(
    ("text", "groups", "filled"),
    [
        ("plain", (), "plain"),
        ("", (), ""),
        ("$1", ("a",), "a"),
        ("<${1}x$(2)>", ("a", "b"), "<axb>"),
        ("$1 $$1", ("a",), "a $1"),
        ("$2$1", ("a", "b"), "ba"),
        ("100%$$", (), "100%$"),
        ("$10", tuple("abcdefghij"), "j"),
    ],
)
def test_templates(text: str, groups: tuple[str, ...], filled: str) -> None:
    template = parse_template(text)
    assert template.fill(groups) == filled
    assert template.largest <= len(groups)


@pytest.mark.parametrize(
    "text", ["$", "a$ b", "$x", "$1x", "${", "${}", "$()", "${1", "${a}", "$0", "${00}", "$-1", "$99999", "${1${2}}", "$²"]
)
def test_wrong_templates(text: str) -> None:
    with pytest.raises(WrongTemplate):
        parse_template(text)


@settings(deadline=None)
@given(st.text())
def test_text_without_dollars_stays(text: str) -> None:
    doubled = text.replace("$", "$$")
    template = parse_template(doubled)
    assert (template.fill(()), template.largest) == (text, 0)


@settings(deadline=None)
@given(st.text(st.sampled_from("$1{}()a")))
def test_any_text_is_a_template_or_wrong(text: str) -> None:
    try:
        template = parse_template(text)
    except WrongTemplate:
        return
    template.fill(("x",) * template.largest)
