"""Text from the wire, cut anywhere."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailrider.content.canonical import canonicalize
from mailrider.intake.decoding import HELD_LIMIT_OCTETS, ChunkedText, DottedText

PIECES = st.lists(
    st.sampled_from([b"\r", b"\n", b"\r\n", b".", b"..", b"a", b"\0", b"MAIL", b"\r\n.\r\n", 70 * b"\r", b"\xff"])
)


def decode(pieces: list[bytes]) -> tuple[bytes, bytes | None]:
    dotted = DottedText()
    text = b""
    for number, piece in enumerate(pieces):
        decoded = dotted.feed(piece)
        text += decoded.text
        if decoded.rest is not None:
            return text, decoded.rest + b"".join(pieces[number + 1 :])
    return text, None


def cut(octets: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted({place % (len(octets) + 1) for place in places}), len(octets)]
    return [octets[start:end] for start, end in itertools.pairwise(edges)]


@pytest.mark.parametrize(
    ("wire", "text", "rest"),
    [
        (b".\r\n", b"", b""),
        (b"a\r\n.\r\nQUIT\r\n", b"a\r\n", b"QUIT\r\n"),
        (b"..\r\n...\r\n.a\r\n.\r\n", b".\r\n..\r\na\r\n", b""),
        (b"\r\n.\r\n", b"\r\n", b""),
        (b"a\r\r\n.\r\n", b"a\r\n", b""),
        (b"a\rb\r\n.\r\n", b"a b\r\n", b""),
        (b"a\nb\r\n.\r\n", b"a\r\nb\r\n", b""),
    ],
)
def test_the_end_and_the_dots(wire: bytes, text: bytes, rest: bytes) -> None:
    assert decode([wire]) == (text, rest)
    assert decode([wire[number : number + 1] for number in range(len(wire))]) == (text, rest)


@pytest.mark.parametrize(
    "end", [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r\r\n", b"\n.\r\r\n", b"\r.\r\n", b"\r\n\x00.\r\n", b"\r\n.\r"]
)
def test_only_one_end_is_one(end: bytes) -> None:
    """CVE-2023-51764: what others may take for an end is none, and is not passed on as one."""
    evil = b"innocent" + end + b"MAIL FROM:<evil@x>\r\nRCPT TO:<victim@y>\r\nDATA\r\nforged"
    text, rest = decode([evil + b"\r\n.\r\n"])
    assert rest == b""
    assert b"forged\r\n" in text
    assert b"\r\n.\r\n" not in text
    assert re.search(rb"(?<!\r)\n|\r(?!\n)", text) is None


@given(PIECES, st.lists(st.integers(0, 1000), max_size=8))
@settings(max_examples=300)
def test_cuts_change_nothing(parts: list[bytes], places: list[int]) -> None:
    wire = b"".join(parts) + b"\r\n.\r\nrest"
    whole = decode([wire])
    assert decode(cut(wire, places)) == whole
    text, rest = whole
    assert rest is not None
    assert re.search(rb"(?<!\r)\n|\r(?!\n)", text) is None
    assert text == b"" or text.endswith(b"\r\n")


@given(st.binary(max_size=300).map(canonicalize))
def test_what_is_stuffed_comes_out_as_it_was(text: bytes) -> None:
    wire = re.sub(rb"(?m)^\.", b"..", text) + b".\r\n"
    assert decode([wire]) == (text, b"")


@given(PIECES)
def test_little_is_held_back(parts: list[bytes]) -> None:
    dotted = DottedText()
    for part in parts:
        if dotted.feed(part).rest is not None:
            return
        assert len(dotted._held) <= HELD_LIMIT_OCTETS


@given(PIECES, st.lists(st.integers(0, 1000), max_size=8))
def test_chunks_are_made_canonical_wherever_they_are_cut(parts: list[bytes], places: list[int]) -> None:
    wire = b"".join(parts)
    chunked = ChunkedText()
    text = b"".join([chunked.feed(piece) for piece in cut(wire, places)]) + chunked.finish()
    assert text == canonicalize(wire)
    assert chunked.has_bare_lf == (re.search(rb"(?<!\r)\n", wire) is not None)


def test_bare_line_feeds_are_noticed() -> None:
    for wire, expected in ((b"a\r\nb\r\n.\r\n", False), (b"a\nb\r\n.\r\n", True), (b"\r\n.\n\r\n.\r\n", True)):
        for pieces in ([wire], [wire[number : number + 1] for number in range(len(wire))]):
            dotted = DottedText()
            for piece in pieces:
                dotted.feed(piece)
            assert dotted.has_bare_lf is expected
