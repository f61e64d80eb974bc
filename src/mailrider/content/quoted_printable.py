"""Quoted-printable (RFC 2045 §6.7) as smtp(8) writes it.

Every octet but `!` to `~`, blank and tab is written `=XX`, and so is `=`, and a blank or tab that ends a line.  A line is
broken by a soft break as soon as it has more than `SOFT_LIMIT_OCTETS` octets and more follow, so that with its `=` it has at
most 76.  There is no other encoding of text that is 8-bit: base64 would need a look at the whole of it.

Whole lines are encoded block by block; a line that comes in pieces is put together by `LineEncoder`.
"""

from __future__ import annotations

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
_IN_BLOCK = _make_cells(_PLAIN + b"\r\n")


def _escape(text: bytes, cells: _Cells) -> bytes:
    """Write each octet in three cells, then take the empty ones away: no octet is looked at in Python."""
    out = bytearray(3 * len(text))
    out[0::3] = text.translate(cells.first)
    out[1::3] = text.translate(cells.second)
    out[2::3] = text.translate(cells.third)
    return bytes(out.translate(None, b"\0"))


def encode_lines(block: bytes) -> bytes:
    """Encode whole lines, each with its line end.  Blocks of some 32 kilooctets are the quickest."""
    escaped = _escape(block, _IN_BLOCK)
    lines = escaped.split(b"\r\n")
    line_ends = len(lines) - 1
    if block.count(b"\n") != line_ends or block.count(b"\r") != line_ends:
        encoder = LineEncoder()
        return b"".join([encoder.add(line.removesuffix(b"\r"), ended=True) for line in block.removesuffix(b"\n").split(b"\n")])
    if b" \r\n" in escaped or b"\t\r\n" in escaped:
        lines = [_escape_last_blank(line) for line in lines]
    return b"\r\n".join([line if len(line) <= _FULL_OCTETS else _break_softly(line) for line in lines])


def _escape_last_blank(line: bytes) -> bytes:
    last = line[-1:]
    return line[:-1] + _LAST_BLANK[last] if last in _LAST_BLANK else line


_LAST_BLANK = {b" ": b"=20", b"\t": b"=09"}


def _break_softly(line: bytes) -> bytes:
    """Break an escaped line wherever it is full."""
    pieces = []
    start = 0
    while (cut := _find_cut(line, start)) < len(line):
        pieces.append(line[start:cut])
        start = cut
    pieces.append(line[start:])
    return b"=\r\n".join(pieces)


def _find_cut(line: bytes, start: int) -> int:
    """Where the physical line that begins at `start` is full, or the end of the line, or more: no `=XX` is cut."""
    cut = start + _FULL_OCTETS
    if line[cut - 1 : cut] == b"=":
        return cut + 2
    return cut + 1 if line[cut - 2 : cut - 1] == b"=" else cut


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
