"""Quoted-printable (RFC 2045 §6.7) as smtp(8) writes it.

Every octet but `!` to `~`, blank and tab is written `=XX`, and so is `=`, and a blank or tab that ends a line.  A line is
broken by a soft break as soon as it has more than `SOFT_LIMIT_OCTETS` octets and more follow, so that with its `=` it has at
most 76.  There is no other encoding of text that is 8-bit: base64 would need a look at the whole of it.

Blocks of whole lines go through C code; a line that comes in pieces is put together by `LineEncoder`.
"""

from __future__ import annotations

import binascii
import re

SOFT_LIMIT_OCTETS = 72
"""A line that is longer than this gets no more."""

# 73 octets, or 74 or 75 where the 73rd would otherwise cut an `=XX`, if more follow.
_FULL_LINE = rb"[^\r\n]{71}(?:=[^\r\n]{2}|[^=\r\n](?:=[^\r\n]{2}|[^=\r\n]))(?=[^\r\n])"
_FULL = re.compile(_FULL_LINE)
_FULL_OR_REST = re.compile(_FULL_LINE + rb"|[^\r\n]*\r\n")


def encode_lines(block: bytes) -> bytes:
    """Encode whole lines, each with its line end."""
    line_ends = block.count(b"\r\n")
    if block.count(b"\r") != line_ends or block.count(b"\n") != line_ends:
        encoder = LineEncoder()
        return b"".join([encoder.add(line.removesuffix(b"\r"), ended=True) for line in block.removesuffix(b"\n").split(b"\n")])
    # Python's encoder breaks lines elsewhere (at 76), and it encodes a dot that is alone on its line.
    escaped = binascii.b2a_qp(block, istext=True).replace(b"=\r\n", b"").replace(b"=2E", b".")
    return b"".join([line if line.endswith(b"\n") else line + b"=\r\n" for line in _FULL_OR_REST.findall(escaped)])


class LineEncoder:
    """Encodes lines that come in pieces of any size, none of them with a line end in it."""

    __slots__ = ("_line",)

    def __init__(self) -> None:
        self._line = b""  # the physical line that is being made

    def add(self, text: bytes, *, ended: bool) -> bytes:
        """Take a piece of a line, return the physical lines that are complete."""
        # The octet behind the text keeps a blank at its end from being taken for the end of the line.
        escaped = binascii.b2a_qp(text + b"!", istext=False)[:-1].replace(b"=\n", b"").replace(b"=2E", b".")
        rest = self._line + escaped
        done = bytearray()
        position = 0
        while match := _FULL.match(rest, position):
            done += match[0]
            done += b"=\r\n"
            position = match.end()
        self._line = rest[position:]
        if ended:
            last = self._line[-1:]
            done += self._line[:-1] + _LAST_BLANK.get(last, last) + b"\r\n"
            self._line = b""
        return bytes(done)


_LAST_BLANK = {b" ": b"=20", b"\t": b"=09"}
