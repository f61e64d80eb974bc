from __future__ import annotations

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrider.errors import WrongUsage
from mailrider.model import address as address_module
from mailrider.model.address import ADDRESS_LIMIT_OCTETS, domain_of, parse_address, quote_local_part, to_octets

CONTROLS = [chr(code) for code in (*range(0x20), 0x7F)]
LETTERS = st.characters(exclude_categories=["Cs"], exclude_characters=CONTROLS) | st.characters(
    min_codepoint=0xDC80, max_codepoint=0xDCFF, categories=["Cs"]
)
ADDRESSES = st.text(LETTERS, max_size=40) | st.text(st.sampled_from("ab@.<>\" \\()é"), max_size=12)

FORMS = [
    ("", ""),
    ("a", "a"),
    ("a@b", "a@b"),
    ("a.b+c=d/e!f%g|h@b", "a.b+c=d/e!f%g|h@b"),
    ("john doe@b", '"john doe"@b'),
    ("john doe", '"john doe"'),
    (".a@b", '".a"@b'),
    ("a.@b", '"a."@b'),
    ("a..b@c", '"a..b"@c'),
    ("@b", '""@b'),
    ("a@b@c", '"a@b"@c'),
    ('a"b\\c@d', '"a\\"b\\\\c"@d'),
    ("<a@b", '"<a"@b'),
    ("jörg@bücher.test", "jörg@bücher.test"),
    ("a(b)@c", '"a(b)"@c'),
    ("a@b c", "a@b c"),
]


@pytest.mark.parametrize(("inside", "outside"), FORMS)
def test_the_inside_and_the_outside_form(inside: str, outside: str) -> None:
    assert quote_local_part(inside) == outside
    assert parse_address(outside) == inside


def test_line_ends_are_quoted_as_smtp_does_it() -> None:
    assert quote_local_part("a\r\nb@c") == '"a\\\r\\\nb"@c'


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ("<a@b>", "a@b"),
        ('<"john doe"@b>', "john doe@b"),
        ("<>", ""),
        ('"a"', "a"),
        ('""', ""),
        ('"\\a"@b', "a@b"),
        ("a b@c", "a b@c"),
    ],
)
def test_what_a_person_may_write(text: str, inside: str) -> None:
    assert parse_address(text) == inside


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('"a@b', "without its closing quote"),
        ('"a\\"', "without its closing quote"),
        ('"a\\', "without its closing quote"),
        ('"a"b@c', "between the quoted local part and the @"),
        ("a" * (ADDRESS_LIMIT_OCTETS + 1), "longer than"),
        ("é" * (ADDRESS_LIMIT_OCTETS // 2 + 1), "longer than"),
        *((f"a{chr(code)}b@c", "half a character") for code in (0xD800, 0xDC00, 0xDC7F, 0xDD00, 0xDFFF)),
        *((f"a{control}b@c", "control character") for control in CONTROLS),
    ],
)
def test_what_a_person_may_not_write(text: str, reason: str) -> None:
    with pytest.raises(WrongUsage, match=reason):
        parse_address(text)


def test_the_longest_address() -> None:
    assert parse_address("a" * ADDRESS_LIMIT_OCTETS) == "a" * ADDRESS_LIMIT_OCTETS


@given(ADDRESSES)
def test_the_outside_form_can_be_read_back(inside: str) -> None:
    assert parse_address(quote_local_part(inside)) == inside


@given(st.text(st.characters(), max_size=40) | st.text(st.sampled_from('ab@<>" \\'), max_size=12))
def test_any_text_is_an_address_or_wrong_usage(text: str) -> None:
    try:
        inside = parse_address(text)
    except WrongUsage:
        return
    assert parse_address(quote_local_part(inside)) == inside


@pytest.mark.parametrize(("address", "domain"), [("a@b", "b"), ("a@b@c", "c"), ("a", ""), ("", ""), ("a@", ""), ("@b", "b")])
def test_the_domain(address: str, domain: str) -> None:
    assert domain_of(address) == domain


def test_the_octets_come_back_as_they_were() -> None:
    assert to_octets("é@b") == b"\xc3\xa9@b"
    assert to_octets(b"\xff@b".decode("utf-8", "surrogateescape")) == b"\xff@b"


def test_the_examples_are_right() -> None:
    assert doctest.testmod(address_module).failed == 0
