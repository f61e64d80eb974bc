from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrider.content.canonical import CR_LIMIT, Canonicalizer, canonicalize, finds_8bit_label

ODD_TEXT = st.lists(
    st.sampled_from([b"a", b".", b" ", b"\0", b"\xff", b"\r", b"\n", b"\r\n", b"\r\r\n", b"\r" * (CR_LIMIT - 1), b"\r" * 20]),
    max_size=30,
).map(b"".join)
CUTS = st.lists(st.integers(min_value=0, max_value=400), max_size=8)


def in_pieces(octets: bytes, places: list[int]) -> bytes:
    ends = sorted(place % (len(octets) + 1) for place in places)
    canonicalizer = Canonicalizer()
    pieces = [octets[start:end] for start, end in zip([0, *ends], [*ends, len(octets)], strict=True)]
    return b"".join([canonicalizer.feed(piece) for piece in pieces]) + canonicalizer.finish()


def plainly(octets: bytes) -> bytes:
    """Octet by octet, as the module says it."""
    if octets and not octets.endswith(b"\n"):
        octets += b"\n"
    out = b""
    for line in octets.split(b"\n")[:-1]:
        text = line.rstrip(b"\r")
        run = len(line) - len(text)
        text += b" " * max(0, run - CR_LIMIT)
        out += text.replace(b"\r", b" ") + b"\r\n"
    return out


@pytest.mark.parametrize(
    ("octets", "canonical"),
    [
        (b"", b""),
        (b"\n", b"\r\n"),
        (b"a", b"a\r\n"),
        (b"a\r\nb\nc", b"a\r\nb\r\nc\r\n"),
        (b"a\rb\r\r\nc\r", b"a b\r\nc\r\n"),
        (b"\r", b"\r\n"),
        (b"a\r\n.\r.\r\n", b"a\r\n. .\r\n"),
        (b"a" + b"\r" * CR_LIMIT + b"\nb", b"a\r\nb\r\n"),
        (b"a" + b"\r" * (CR_LIMIT + 2) + b"\nb", b"a  \r\nb\r\n"),
    ],
)
def test_lines_end_with_crlf(octets: bytes, canonical: bytes) -> None:
    assert canonicalize(octets) == canonical
    for place in range(len(octets) + 1):
        assert in_pieces(octets, [place]) == canonical


@given(ODD_TEXT, CUTS)
def test_it_makes_no_difference_how_the_octets_come(octets: bytes, places: list[int]) -> None:
    assert in_pieces(octets, places) == canonicalize(octets) == plainly(octets)
    assert in_pieces(octets, list(range(len(octets)))) == canonicalize(octets)


@given(ODD_TEXT | st.binary())
def test_the_canonical_form_is_canonical(octets: bytes) -> None:
    canonical = canonicalize(octets)
    assert re.fullmatch(rb"(?:[^\r\n]*\r\n)*", canonical)
    assert canonicalize(canonical) == canonical


def test_what_is_held_back_is_bounded() -> None:
    canonicalizer = Canonicalizer()
    for _ in range(100):
        out = canonicalizer.feed(b"\r" * 10)
        assert len(canonicalizer._held) <= CR_LIMIT
        assert out.strip(b" ") == b""


def test_a_long_row_of_stray_crs_takes_no_longer_than_anything_else() -> None:
    # With a pattern that tries each CR as a beginning this would take a quarter of an hour.
    octets = b"\r" * 1_000_000
    assert canonicalize(octets + b"x\n") == b" " * 1_000_000 + b"x\r\n"
    assert canonicalize((octets + b"x") * 2 + b"\n") == (b" " * 1_000_000 + b"x") * 2 + b"\r\n"
    assert canonicalize(octets + b"\n") == b" " * (1_000_000 - CR_LIMIT) + b"\r\n"


@pytest.mark.parametrize(
    ("header", "found"),
    [
        (b"Content-Transfer-Encoding: 8bit\r\n", True),
        (b"Subject: x\r\nCONTENT-transfer-encoding:  8BIT \r\nFrom: y\r\n", True),
        (b"Subject: x\r\nContent-Transfer-Encoding: binary\r\n", True),
        (b"Subject: x\r\nContent-Transfer-Encoding: 7bit\r\n", False),
        (b"Content-Transfer-Encoding: base64\r\n", False),
        (b"Content-Transfer-Encoding: 8bits\r\n", False),
        (b"X-Content-Transfer-Encoding: 8bit\r\n", False),
        (b"Subject: x\r\n", False),
        (b"", False),
    ],
)
def test_the_primary_header_says_that_the_content_is_8bit(header: bytes, found: bool) -> None:
    body = b"\r\nContent-Transfer-Encoding: 8bit\r\n"
    assert finds_8bit_label(header) is found
    assert finds_8bit_label(header + b"\r\n" + body) is found
