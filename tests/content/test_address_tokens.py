from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrider.content.address_tokens import (
    COMMA,
    Sort,
    Token,
    is_plain,
    join_inside,
    needs_space,
    quote_address,
    tokenize,
    unquote_address,
)

W, Q, C, L, S = Sort.WORD, Sort.QUOTED, Sort.COMMENT, Sort.LITERAL, Sort.SIGN


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        (b"", []),
        (b" \t\r\n", []),
        (b"a", [(W, b"a")]),
        (b"a.b@c", [(W, b"a"), (S, b"."), (W, b"b"), (S, b"@"), (W, b"c")]),
        (b'"a \\"b"', [(Q, b'a "b')]),
        (b'"a\n b"', [(Q, b"a  b")]),
        (b'"unclosed', [(Q, b"unclosed")]),
        (b'"unclosed\\', [(Q, b"unclosed")]),
        (b"(a (b) \\) c) d", [(C, b"(a (b) \\) c)"), (W, b"d")]),
        (b"(unclosed (a)", [(C, b"(unclosed (a)")]),
        (b"[1.2\\].3]", [(L, b"1.2].3")]),
        (b"[unclosed", [(L, b"unclosed")]),
        (b"a\\ b", [(Q, b"a b")]),
        (b"a\\b", [(W, b"ab")]),
        (b"a\\@b", [(Q, b"a@b")]),
        (b"\\", [(W, b"")]),
        (b"a\\", [(W, b"a")]),
        (b"gr\xfcn", [(W, b"gr\xfcn")]),
        (b"a\x01", [(Q, b"a\x01")]),
        (b"<>,;:|%!]", [(S, bytes((sign,))) for sign in b"<>,;:|%!]"]),
        (b")", [(S, b")")]),
    ],
)
def test_tokens(text: bytes, tokens: list[tuple[Sort, bytes]]) -> None:
    assert tokenize(text) == [Token(*token) for token in tokens]


@given(st.binary(max_size=200))
def test_any_octets_are_tokens(text: bytes) -> None:
    tokens = tokenize(text)
    assert sum(len(token.text) for token in tokens) <= len(text)


ADDRESSES = st.text('ab@.:"\\ ,<\xfc', max_size=30).map(lambda text: text.encode("latin-1"))


@given(ADDRESSES.filter(lambda address: not address.startswith(b"@") and b"@" in address))
def test_quoting_can_be_undone(address: bytes) -> None:
    domain = address.rpartition(b"@")[2]
    if not set(domain) & set(b'"\\'):  # the domain is not quoted
        assert unquote_address(quote_address(address)) == address


@given(ADDRESSES.filter(lambda address: address.count(b'"') == 0 and address.count(b"\\") == 0))
def test_what_needs_no_unquoting_is_not_changed(address: bytes) -> None:
    assert unquote_address(address) == address


@pytest.mark.parametrize(
    ("inside", "outside"),
    [
        (b"a@b.c", b"a@b.c"),
        (b"a b@c", b'"a b"@c'),
        (b"a@b@c", b'"a@b"@c'),
        (b'a"b\\@c', b'"a\\"b\\\\"@c'),
        (b".a@c", b'".a"@c'),
        (b"a.@c", b'"a."@c'),
        (b"a..b@c", b'"a..b"@c'),
        (b"@c", b'""@c'),
        (b"", b'""'),
        (b"a b", b'"a b"'),
        (b"@x,@y:a b@c", b'@x,@y:"a b"@c'),
        (b"gr\xfcn@c", b"gr\xfcn@c"),
        (b"a@[1.2.3.4]", b"a@[1.2.3.4]"),
    ],
)
def test_outside_forms(inside: bytes, outside: bytes) -> None:
    assert quote_address(inside) == outside


@pytest.mark.parametrize(
    ("outside", "inside"),
    [
        (b'"a\\"b"@c', b'a"b@c'),
        (b'"a@b"@c', b"a@b@c"),
        (b"a\\@b@c", b"a@b@c"),
        (b'a@"c"', b'a@"c"'),
        (b'@x:"a"@c', b"@x:a@c"),
        (b"a\\", b"a"),
        (b'"a', b"a"),
    ],
)
def test_inside_forms(outside: bytes, inside: bytes) -> None:
    assert unquote_address(outside) == inside


@pytest.mark.parametrize("address", [b"a@b.c", b"a.b-c+d=e@b-1.c.d", b"gr\xfcn@b.c", b"a'/#$&*?^_`{}~@b.c"])
def test_plain_addresses(address: bytes) -> None:
    assert is_plain(address)
    assert quote_address(address) == unquote_address(address) == address
    assert quote_address(join_inside(tokenize(address), spaced=True)) == address


@pytest.mark.parametrize(
    "address", [b"", b"a", b"a@b", b"a@b.", b"a@.b", b"a..b@c.d", b".a@b.c", b"a b@c.d", b"a@b@c.d", b"a!b@c.d", b"a@b.c\n"]
)
def test_addresses_that_are_not_plain(address: bytes) -> None:
    assert not is_plain(address)


@pytest.mark.parametrize(
    ("text", "close", "spaced"),
    [
        (b"a b", b"ab", b"a b"),
        (b'a (c) [d] "e"', b"a(c)[d]e", b"a (c) [d] e"),
        (b"a@b,c<d", b"a@b,c<d", b"a@b, c <d"),
    ],
)
def test_joining(text: bytes, close: bytes, spaced: bytes) -> None:
    assert join_inside(tokenize(text), spaced=False) == close
    assert join_inside(tokenize(text), spaced=True) == spaced


def test_no_space_at_the_end() -> None:
    assert not needs_space(COMMA, None)
