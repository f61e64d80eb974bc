"""Quoted-printable (RFC 2045 §6.7) as smtp(8) writes it.

Every octet but `!` to `~`, blank and tab is written `=XX`, and so is `=`, and a blank or tab that ends a line.  A line is
broken by a soft break as soon as it has more than `SOFT_LIMIT_OCTETS` octets and more follow, so that with its `=` it has at
most 76.  There is no other encoding of text that is 8-bit: base64 would need a look at the whole of it.

Whole lines are encoded block by block; a line that comes in pieces is put together by `LineEncoder`.
"""

from __future__ import annotations

import re
from typing import NamedTuple

SOFT_LIMIT_OCTETS = 72
"""A line that is longer than this gets no more."""

_FULL_OCTETS = SOFT_LIMIT_OCTETS + 1


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


_PLAIN = bytes(octet for octet in range(ord(" "), 127) if octet != ord("=")) + b"\t"
_IN_LINE = _make_cells(_PLAIN)
_PLAIN_OR_END = _PLAIN + b"\r\n"
_IN_BLOCK = _make_cells(_PLAIN_OR_END)

_FEW = 12
"""Up to this number of different octets, replacing one after the other is quicker than cells."""


def _escape(text: bytes, cells: _Cells) -> bytes:
    """Write each octet in three cells, then take the empty ones away: no octet is looked at in Python."""
    out = bytearray(3 * len(text))
    out[0::3] = text.translate(cells.first)
    out[1::3] = text.translate(cells.second)
    out[2::3] = text.translate(cells.third)
    return bytes(out.translate(None, b"\0"))


def _escape_block(block: bytes, special: bytes) -> bytes:
    """The same for lines; `special` are those of their octets that have to be escaped."""
    different = bytes(dict.fromkeys(special)) if len(special) <= _FEW else _list_different(special)
    if len(different) > _FEW:
        return _escape(block, _IN_BLOCK)
    if b"=" in different:
        block = block.replace(b"=", b"=3D")
    for octet in different:
        if octet != _EQUALS:
            block = block.replace(bytes((octet,)), b"=%02X" % octet)
    return block


def _list_different(octets: bytes) -> bytes:
    """The different ones among many octets, or somewhat more than `_FEW` of them."""
    different = b""
    while octets and len(different) <= _FEW:
        different += octets[:1]
        octets = octets.replace(octets[:1], b"")
    return different


def encode_lines(block: bytes) -> bytes:
    """Encode whole lines, each with its line end.  Blocks of some 32 kilooctets are the quickest.

    A stray CR or LF, which canonical text does not have, counts as a line end.
    """
    special = block.translate(None, _PLAIN_OR_END)
    if special:
        block = _escape_block(block, special)
    if b" \r\n" in block or b"\t\r\n" in block:
        block = block.replace(b" \r\n", b"=20\r\n").replace(b"\t\r\n", b"=09\r\n")
    lines = [line if len(line) <= _FULL_OCTETS else _break_softly(line) for line in block.splitlines()]
    lines.append(b"")
    return b"\r\n".join(lines)


def _escape_last_blank(line: bytes) -> bytes:
    last = line[-1:]
    return line[:-1] + _LAST_BLANK[last] if last in _LAST_BLANK else line


_LAST_BLANK = {b" ": b"=20", b"\t": b"=09"}


# 73 octets, or 74 or 75 where the 73rd would cut an `=XX`, or what is left.
_PHYSICAL_LINE = re.compile(rb".{71}(?:=..|[^=]=..|[^=][^=])|.+", re.DOTALL)


def _break_softly(line: bytes) -> bytes:
    """Break an escaped line wherever it is full, but never within an `=XX`."""
    return b"=\r\n".join(_PHYSICAL_LINE.findall(line))


_EQUALS = ord("=")


class LineEncoder:
    """Encodes lines that come in pieces of any size, none of them with a line end in it."""

    __slots__ = ("_line",)

    def __init__(self) -> None:
        self._line = b""  # the physical line that is being made

    def add(self, text: bytes, *, ended: bool) -> bytes:
        """Take a piece of a line, return the physical lines that are complete."""
        line = self._line + _escape(text, _IN_LINE)
        if ended:
            self._line = b""
            return _break_softly(_escape_last_blank(line)) + b"\r\n"
        done, _, self._line = _break_softly(line).rpartition(b"\n")
        return done + b"\n" if done else b""
