"""Quoted-printable (RFC 2045 §6.7) as smtp(8) writes it.

Every octet but `!` to `~`, blank and tab is written `=XX`, and so is `=`, and a blank or tab that ends a line.  A line is
broken by a soft break as soon as it has more than 72 octets and more follow, so that with its `=` it has at most 76.  There
is no other encoding of text that is 8-bit: base64 would need a look at the whole of it.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_FULL_OCTETS = 73
"""A physical line of so many octets gets no more."""

# 73 octets, or 74 or 75 where the 73rd would cut an `=XX`, or what is left.
_PHYSICAL_LINE = re.compile(rb".{71}(?:=..|[^=]=..|[^=][^=])|.+", re.DOTALL)

_PLAIN = bytes(octet for octet in range(ord(" "), 127) if octet != ord("=")) + b"\t"
_HARMLESS = _PLAIN + b"=\r\n"

_FEW = 16
"""Up to this number of different octets, replacing one after the other is quicker than cells."""


class Encoder:
    """Encodes the bodies of one message: blocks of whole lines, and lines that come in pieces.

    It remembers which octets had to be escaped so far: a text has few different ones.
    """

    __slots__ = ("_escapes", "_line")

    def __init__(self) -> None:
        self._escapes = {b"=": b"=3D"}
        self._line = b""  # the physical line that is being made of pieces

    def encode_lines(self, block: bytes) -> bytes:
        """Encode whole lines, each with its line end.  Blocks of 16 to 64 kilooctets are the quickest.

        A stray CR or LF, which canonical text does not have, counts as a line end.
        """
        block = self._escape(block)
        if b" \r\n" in block:
            block = block.replace(b" \r\n", b"=20\r\n")
        if b"\t" in block and b"\t\r\n" in block:
            block = block.replace(b"\t\r\n", b"=09\r\n")
        lines = [line if len(line) <= _FULL_OCTETS else _break_softly(line) for line in block.splitlines()]
        lines.append(b"")
        return b"\r\n".join(lines)

    def add_piece(self, text: bytes, *, ended: bool) -> bytes:
        """Take a piece of a line, without a line end in it; returns the physical lines that are complete."""
        line = self._line + _write_in_cells(text, _IN_LINE)
        if ended:
            self._line = b""
            last = line[-1:]
            return _break_softly(line[:-1] + _LAST_BLANK.get(last, last)) + b"\r\n"
        done, _, self._line = _break_softly(line).rpartition(b"\n")
        return done + b"\n" if done else b""

    def _escape(self, block: bytes) -> bytes:
        if len(self._escapes) > _FEW:
            return _write_in_cells(block, _IN_BLOCK)
        escaped = block
        for octet, escape in self._escapes.items():
            escaped = escaped.replace(octet, escape)
        left = escaped.translate(None, _HARMLESS)
        while left:
            octet = left[:1]
            if len(self._escapes) > _FEW:
                return _write_in_cells(block, _IN_BLOCK)
            self._escapes[octet] = b"=%02X" % octet[0]
            escaped = escaped.replace(octet, self._escapes[octet])
            left = left.replace(octet, b"")
        return escaped


_LAST_BLANK = {b" ": b"=20", b"\t": b"=09"}


def _break_softly(line: bytes) -> bytes:
    """Break an escaped line wherever it is full, but never within an `=XX`."""
    return b"=\r\n".join(_PHYSICAL_LINE.findall(line))


class _Cells(NamedTuple):
    """Translation tables: the first, second and third octet of what an octet becomes, NUL where there is none."""

    first: bytes
    second: bytes
    third: bytes


def _make_cells(plain: bytes) -> _Cells:
    digits = b"0123456789ABCDEF"
    return _Cells(
        bytes([octet if octet in plain else ord("=") for octet in range(256)]),
        bytes([0 if octet in plain else digits[octet >> 4] for octet in range(256)]),
        bytes([0 if octet in plain else digits[octet & 15] for octet in range(256)]),
    )


_IN_LINE = _make_cells(_PLAIN)
_IN_BLOCK = _make_cells(_PLAIN + b"\r\n")


def _write_in_cells(text: bytes, cells: _Cells) -> bytes:
    """Write each octet in three cells, then take the empty ones away: as quick for any octets."""
    out = bytearray(3 * len(text))
    out[0::3] = text.translate(cells.first)
    out[1::3] = text.translate(cells.second)
    out[2::3] = text.translate(cells.third)
    return bytes(out.translate(None, b"\0"))
