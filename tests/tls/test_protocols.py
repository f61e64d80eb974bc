"""Which versions a list of the operator means."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrider.tls.protocols import VERSIONS, Protocols, parse_protocols

ALL = frozenset({"SSLv2", *VERSIONS})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Protocols()),
        (">=TLSv1", Protocols(floor=0x0301)),
        (">=TLSv1.2, <=TLSv1.3", Protocols(0x0303, 0x0304)),
        (">=0303", Protocols(floor=0x0303)),
        (">=0x0303", Protocols(floor=0x0303)),
        (">=TLSv1.2 >=0", Protocols()),
        (">=TLSv1.2 >=", Protocols()),
        (">= TLSv1.3", Protocols(excluded=ALL - {"TLSv1.3"})),
        ("!SSLv2, !SSLv3", Protocols(excluded=frozenset({"SSLv2", "SSLv3"}))),
        ("!SSLv2:!TLSv1.3", Protocols(excluded=frozenset({"SSLv2", "TLSv1.3"}))),
        ("TLSv1.2", Protocols(excluded=ALL - {"TLSv1.2"})),
        ("tlsv1.2 TLSv1.3", Protocols(excluded=ALL - {"TLSv1.2", "TLSv1.3"})),
        ("TLSv1.2 TLSv1.3 !TLSv1.3", Protocols(excluded=ALL - {"TLSv1.2"})),
    ],
)
def test_what_lists_mean(text: str, expected: Protocols) -> None:
    assert parse_protocols(text) == expected


@pytest.mark.parametrize("text", ["bogus", ">=bogus", "!", "!bogus", ">=TLSv1.2 x", ">=-1", ">=123456789"])
def test_what_is_no_version(text: str) -> None:
    assert parse_protocols(text) is None


@given(st.lists(st.sampled_from(["!TLSv1", "TLSv1.2", ">=TLSv1.1", "<=0304", "!", "x", ">=", "TLSv1.3", "é"]), max_size=6))
def test_any_list_is_read_or_refused(words: list[str]) -> None:
    found = parse_protocols(" ".join(words))
    assert found is None or found.excluded <= ALL
    assert (found is None) == bool({"!", "x", "é"} & set(words))


@given(st.text(max_size=30))
def test_no_text_does_harm(text: str) -> None:
    parse_protocols(text)
