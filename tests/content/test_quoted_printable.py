from __future__ import annotations

import quopri
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrider.content.quoted_printable import Encoder


def encode_lines(block: bytes) -> bytes:
    return Encoder().encode_lines(block)


def encode_slowly(line: bytes) -> bytes:
    """The definition, octet by octet."""
    out = b""
    physical = b""
    for octet in line:
        if len(physical) > 72:
            out += physical + b"=\r\n"
            physical = b""
        plain = (33 <= octet <= 126 and octet != 61) or octet in b" \t"
        physical += bytes((octet,)) if plain else b"=%02X" % octet
    if physical.endswith((b" ", b"\t")):
        physical = physical[:-1] + b"=%02X" % physical[-1]
    return out + physical + b"\r\n"


TEXT = st.one_of(
    st.binary(max_size=200),
    st.text("ab. =\t\xfc\xe4\0\x7f", max_size=300).map(lambda text: text.encode("latin-1")),
)
LINES = st.lists(TEXT.map(lambda text: text.replace(b"\r", b"").replace(b"\n", b"")), max_size=8)


@pytest.mark.parametrize(
    ("line", "encoded"),
    [
        (b"", b""),
        (b"plain", b"plain"),
        (b"a=b", b"a=3Db"),
        (b"gr\xfc\xdfe", b"gr=FC=DFe"),
        (b"\0\x1f\x7f\xff", b"=00=1F=7F=FF"),
        (b"tab\tand blank in the middle", b"tab\tand blank in the middle"),
        (b"blank ", b"blank=20"),
        (b"tab\t", b"tab=09"),
        (b"two  ", b"two =20"),
        (b" ", b"=20"),
        (b".", b"."),
        (b"=2E", b"=3D2E"),
        (b"x" * 73, b"x" * 73),
        (b"x" * 74, b"x" * 73 + b"=\r\nx"),
        (b"x" * 72 + b"\xfc", b"x" * 72 + b"=FC"),
        (b"x" * 72 + b"\xfcx", b"x" * 72 + b"=FC=\r\nx"),
        (b"x" * 71 + b"\xfcx", b"x" * 71 + b"=FC=\r\nx"),
        (b"x" * 70 + b"\xfcx", b"x" * 70 + b"=FC=\r\nx"),
        (b"x" * 72 + b" ", b"x" * 72 + b"=20"),
        (b"x" * 73 + b" ", b"x" * 73 + b"=\r\n=20"),
        (b"x" * 73 + b".", b"x" * 73 + b"=\r\n."),
    ],
)
def test_lines(line: bytes, encoded: bytes) -> None:
    assert encode_slowly(line) == encoded + b"\r\n"
    assert encode_lines(line + b"\r\n") == encoded + b"\r\n"


@given(LINES)
def test_blocks_are_encoded_as_the_definition_has_it(lines: list[bytes]) -> None:
    block = b"".join(line + b"\r\n" for line in lines)
    assert encode_lines(block) == b"".join(map(encode_slowly, lines))


@given(LINES)
def test_what_is_encoded_can_be_decoded(lines: list[bytes]) -> None:
    block = b"".join(line + b"\r\n" for line in lines)
    encoded = encode_lines(block)
    assert quopri.decodestring(encoded) == block
    assert all(len(line) <= 76 for line in encoded.split(b"\r\n"))
    assert encoded.isascii()


def test_many_different_octets_go_another_way_to_the_same_end() -> None:
    encoder = Encoder()
    line = bytes(octet for octet in range(256) if octet not in b"\r\n")
    for text in (b"\xfc=\xfd", b"plain", line, b"\xfc=\xfd"):
        assert encoder.encode_lines(text + b"\r\n") == encode_slowly(text)


@given(st.lists(LINES, max_size=5))
def test_what_is_remembered_does_no_harm(blocks: list[list[bytes]]) -> None:
    encoder = Encoder()
    for lines in blocks:
        assert encoder.encode_lines(b"".join(line + b"\r\n" for line in lines)) == b"".join(map(encode_slowly, lines))


@given(TEXT, st.lists(st.integers(0, 200), max_size=5))
def test_a_line_may_come_in_pieces(line: bytes, cuts: list[int]) -> None:
    encoder = Encoder()
    positions = [0, *sorted(cuts), len(line)]
    pieces = [line[start:end] for start, end in pairwise(positions)]
    out = b"".join([encoder.add_piece(piece, ended=False) for piece in pieces[:-1]])
    assert out + encoder.add_piece(pieces[-1], ended=True) == encode_slowly(line)
    assert encoder.add_piece(b"next", ended=True) == b"next\r\n"


@given(st.binary(max_size=300))
def test_whatever_the_line_ends_none_of_them_is_bare_afterwards(octets: bytes) -> None:
    encoded = encode_lines(octets + b"\r\n")
    assert encoded.endswith(b"\r\n")
    assert b"\r" not in encoded.replace(b"\r\n", b"")
    assert b"\n" not in encoded.replace(b"\r\n", b"")
