from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrider.errors import WrongConfiguration
from mailrider.tables.key_template import KeyTemplates


@pytest.mark.parametrize(
    ("query", "key", "expanded"),
    [
        ("%s", "a@b.c", "a@b.c"),
        ("%u|%d|%U|%D|%S", "a@b.c", "a|b.c|a|b.c|a@b.c"),
        ("100%%", "x", "100%"),
        ("%u", "nobody", "nobody"),
        ("%u", "a@b@c", "a@b"),
        ("%u", "@c", None),
        ("%d", "nobody", None),
        ("%d", "a@", None),
        ("%1.%2", "a@x.example.com", "com.example"),
        ("%3", "a@example.com", None),
        ("%2", "a@.example..com", "example"),
        ("%s", "", None),
        ("no part", "x", "no part"),
    ],
)
def test_queries(query: str, key: str, expanded: str | None) -> None:
    assert KeyTemplates("t:x", [query]).expand_query(query, key) == expanded


@pytest.mark.parametrize(
    ("result", "value", "expanded"),
    [
        ("%s", "v", "v"),
        ("%u+%d", "v@w", "v+w"),
        ("%d", "v", None),
        ("%u", "@w", None),
        ("%U@%d", "v@w", "k@w"),
        ("%S %1", "v", "k@x.org org"),
        ("%s", "", None),
    ],
)
def test_results(result: str, value: str, expanded: str | None) -> None:
    assert KeyTemplates("t:x", ["%s"], result).expand_result(value, "k@x.org") == expanded


def test_what_a_result_needs_of_the_key_decides_what_is_asked() -> None:
    assert KeyTemplates("t:x", ["%s"], "%D").expand_query("%s", "nobody") is None


@pytest.mark.parametrize("template", ["%x", "%", "a %0", "%é", "%\n"])
def test_a_letter_that_means_nothing(template: str) -> None:
    for queries, result in (([template], "%s"), (["%s"], template)):
        with pytest.raises(WrongConfiguration, match="means nothing"):
            KeyTemplates("t:x", queries, result)


@given(st.text(), st.text("%sudSUD123 '"))
def test_every_part_is_quoted(key: str, template: str) -> None:
    try:
        templates = KeyTemplates("t:x", [template])
    except WrongConfiguration:
        return
    expanded = templates.expand_query(template, key, lambda text: "")
    assert expanded is None or set(expanded) <= set(template)
