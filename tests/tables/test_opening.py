from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailrider.errors import MailriderError, WrongConfiguration
from mailrider.tables.opening import TABLE_TYPES, open_table


def test_a_table_is_known_by_its_title() -> None:
    for title in ("static:x y", "inline:{a=b}", "cidr:{{192.0.2.1 x}}", "regexp:{{/a/ b}}", "pcre:{{/a/ b}}"):
        assert open_table(title).title == title


def test_all_types_are_named() -> None:
    assert TABLE_TYPES == ("cidr", "inline", "pcre", "regexp", "static", "texthash")


@pytest.mark.parametrize(
    ("title", "complaint"),
    [
        ("", "type:name"),
        ("regexp", "type:name"),
        (":x", "type:name"),
        ("static:", "type:name"),
        ("hash:/etc/aliases", 'unsupported lookup table type "hash"; give the text file itself as texthash:'),
        ("mongodb:/x", "there are cidr, inline, pcre, regexp, static, texthash"),
        ("texthash:/no/such/file", "cannot read /no/such/file: No such file"),
        ("cidr:{a}", "does not begin with a {"),
        ("regexp:{{/a/ b}", "missing }"),
    ],
)
def test_what_cannot_be_opened_is_refused_clearly(title: str, complaint: str) -> None:
    with pytest.raises(WrongConfiguration) as trouble:
        open_table(title)
    assert complaint in str(trouble.value)


@settings(deadline=None)
@given(
    st.text(st.characters(), max_size=30)
    | st.builds(
        "{}:{{{}}}".format, st.sampled_from(TABLE_TYPES), st.text(st.characters() | st.sampled_from("{}/= $1"), max_size=30)
    )
)
def test_any_title_is_a_table_or_wrong(title: str) -> None:
    try:
        table = open_table(title)
        assert table.title
        table.find("some key")
    except MailriderError:
        pass
