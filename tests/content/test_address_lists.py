from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrider.content.address_lists import (
    FOLD_OCTETS,
    NOISE_LIMIT_OCTETS,
    find_addresses,
    fold_list,
    outside_form,
    write_list,
)
from mailrider.content.address_tokens import COMMA, Sort, Token, join_inside, quote_address, tokenize


def addresses_of(text: bytes) -> list[bytes]:
    elements = find_addresses(tokenize(text))
    return [join_inside(element, spaced=False) for element in elements if not isinstance(element, Token)]


def rewrite_nothing(text: bytes, warnings: list[str] | None = None) -> bytes:
    """A header that is taken apart and put together again."""
    tokens = [
        element if isinstance(element, Token) else Token(Sort.ADDRESS, quote_address(join_inside(element, spaced=False)))
        for element in find_addresses(tokenize(text))
    ]
    return write_list(b"", tokens, [].append if warnings is None else warnings.append)


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        (b"", []),
        (b"a@b", [b"a@b"]),
        (b"a@b, c@d", [b"a@b", b"c@d"]),
        (b"a@b c@d", [b"a@b", b"c@d"]),
        (b"A B <a@b>", [b"a@b"]),
        (b"A <a@b>, C <c@d>", [b"a@b", b"c@d"]),
        (b"A <a@b> C <c@d>", [b"a@b", b"c@d"]),
        (b"<>", []),
        (b"A <>", []),
        (b'"A, B" <a@b>', [b"a@b"]),
        (b"a@b (A B)", [b"a@b"]),
        (b"a(c)@(d)b", [b"a@b"]),
        (b"<a (c) @b>", [b"a@b"]),
        (b"<@x,@y:a@b>", [b"@x,@y:a@b"]),
        (b"group: a@b, C <c@d>;", [b"a@b", b"c@d"]),
        (b"group:;", []),
        (b"g: a@b;, h: c@d;", [b"a@b", b"c@d"]),
        (b"a:b", [b"a:b"]),
        (b"a!b!c", [b"a!b!c"]),
        (b"a%b@c", [b"a%b@c"]),
        (b"a@[1.2.3.4]", [b"a@[1.2.3.4]"]),
        (b'"a b"@c', [b"a b@c"]),
        (b"a @ b . c", [b"a@b.c"]),
        (b"<a@b", [b"<a@b"]),
        (b"a@b>", [b"a@b"]),
        (b"<<a@b>>", [b"a@b>"]),
        (b"; a@b", [b"a@b"]),
        (b",,", []),
    ],
)
def test_addresses(text: bytes, addresses: list[bytes]) -> None:
    assert addresses_of(text) == addresses


ODD_TEXT = st.one_of(
    st.binary(max_size=100),
    st.text('ab@.,;:<>()[]"\\ !%\n', max_size=60).map(str.encode),
    st.lists(st.sampled_from([b"a@b", b"A <c@d>", b"g: x@y;", b"(c)", b'"q"', b",", b"<", b">", b":", b";"])).map(b" ".join),
)


@given(ODD_TEXT)
def test_no_token_is_lost_and_only_commas_are_added(text: bytes) -> None:
    tokens = tokenize(text)
    flat: list[Token] = []
    for element in find_addresses(tokens):
        if isinstance(element, Token):
            flat.append(Token(Sort.SIGN, b":") if element.sort is Sort.GROUP else element)
        else:
            assert element
            flat += element
    before, after = Counter(tokens), Counter(flat)
    assert not before - after
    assert set(after - before) <= {COMMA}


@given(ODD_TEXT)
def test_any_header_can_be_put_together_again(text: bytes) -> None:
    rewrite_nothing(text)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        (b"a@b,c@d", b"a@b,\nc@d"),
        (b"a@b c@d", b"a@b,\nc@d"),
        (b"A  B<a@b>", b"A B <a@b>"),
        (b'"A,\\"B" <a@b>', b'"A,\\"B" <a@b>'),
        (b'"A" "b" <a@b>', b'"A" "b" <a@b>'),
        (b"a(c)@b", b"a@b (c)"),
        (b"<a(c)@b>", b"<a@b (c)>"),
        (b"group:a@b;", b"group: a@b;"),
        (b"x [y\\]] <a@b>", b"x [y]] <a@b>"),
        (b"(a) (b) c@d", b"c@d (a) (b)"),
        (b"c@d (a) (b)", b"c@d (a) (b)"),
        (b"a\\ b@c", b'"a b"@c'),
    ],
)
def test_writing(text: bytes, written: bytes) -> None:
    assert rewrite_nothing(text) == written


def test_tokens_keep_their_quotes() -> None:
    assert outside_form(Token(Sort.QUOTED, b'a"\\\n')) == b'"a\\"\\\\\\\n"'
    assert outside_form(Token(Sort.LITERAL, b"a\\")) == b"[a\\\\]"


@pytest.mark.parametrize("address", [b"<a@b>", b"a@b"])
def test_too_much_around_an_address_is_dropped(address: bytes) -> None:
    warnings: list[str] = []
    noise = b"(" + b"c" * (NOISE_LIMIT_OCTETS - 1) + b")"
    assert rewrite_nothing(address + b" " + noise + b", x@y", warnings) == b"<a@b>,\nx@y"
    assert len(warnings) == 1
    assert warnings[0].startswith("stripping too many comments from address: ")
    assert warnings[0].endswith("ccc...")


def test_a_little_less_stays() -> None:
    noise = b"(" + b"c" * (NOISE_LIMIT_OCTETS - 3) + b")"
    assert rewrite_nothing(b"a@b " + noise) == b"a@b " + noise


def test_noise_without_an_address_stays() -> None:
    noise = b"(" + b"c" * 300 + b")"
    assert rewrite_nothing(noise) == noise
    assert rewrite_nothing(noise + b" <>") == b"<>"


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (b"To: a@b", [b"To: a@b"]),
        (b"To: a@b,\nc@d", [b"To: a@b, c@d"]),
        (b"x" * 66 + b",\nb", [b"x" * 66 + b", b"]),
        (b"x" * 67 + b",\nb", [b"x" * 67 + b",", b"\tb"]),
        (b"x" * 80 + b",\ny,\nz", [b"x" * 80 + b",", b"\ty, z"]),
        (b"x" * 80 + b",\n (c)", [b"x" * 80 + b",", b" (c)"]),
    ],
)
def test_folding(text: bytes, lines: list[bytes]) -> None:
    assert fold_list(text) == lines


@given(st.lists(st.integers(1, 90), max_size=30))
def test_lines_are_short_where_addresses_are(lengths: list[int]) -> None:
    lines = fold_list(b"To: " + b",\n".join(b"a" * length for length in lengths))
    for line in lines:
        assert len(line.lstrip(b"\t")) < FOLD_OCTETS or line.count(b",") <= 1
