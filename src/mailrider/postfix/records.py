"""The records of a queue file: the content of a message, read in place.

A record is a type, a length (seven bits an octet, the low ones first), and so many octets.  The content is a chain of `N`
(a line) and `L` (a piece of a line whose rest follows); `p` says where to read on, since milters may have put other records
elsewhere in the file; `w` is padding.  `X` ends it.  How long the content is cannot be known from its size.

What can go wrong: `ContentDamaged` where a record makes no sense, `ContentUnreadable` where the file cannot be read for now.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final

from mailrider.errors import ContentDamaged, ContentUnreadable

BLOCK_OCTETS: Final = 64 * 1024
"""What is read at once; most messages fit."""

RECORD_LIMIT_OCTETS: Final = 16 * 1024 * 1024
"""`line_length_limit` is 2048 by default, and header_size_limit 102400."""

BACKWARD_JUMPS_LIMIT: Final = 10_000
"""More of them, and the records go in a circle."""

_POINTER_DIGITS: Final = 20
"""As many as 64 bits need."""

_LINE, _PIECE, _POINTER, _PADDING, _END = b"NLpwX"
_LONG = 0x80
_LENGTH_OCTETS: Final = 5
"""As many as the 32 bits of a length need, seven in each."""


def read_content(descriptor: int, offset: int) -> Iterator[bytes]:
    """The content that begins at `offset`, in canonical form (CRLF), block by block."""
    return _ContentReader(descriptor, offset).read()


class _ContentReader:
    """Walks from record to record; `_block` is a window into the file that begins at `_start`."""

    __slots__ = ("_block", "_descriptor", "_ended", "_jumps", "_position", "_start")

    def __init__(self, descriptor: int, offset: int) -> None:
        self._descriptor = descriptor
        self._block = b""
        self._start = offset
        self._position = 0  # in the block
        self._jumps = 0
        self._ended = True  # the last line

    def read(self) -> Iterator[bytes]:
        while True:
            lines: list[bytes] = []
            kind = self._take_lines(lines)
            if lines:
                yield b"".join(lines)
            if kind == _END:
                break
        if not self._ended:
            yield b"\r\n"

    def _take_lines(self, lines: list[bytes]) -> int:
        """Take the records of the window that are lines; the type of the record after them, or 0 for "go on"."""
        add = lines.append
        block, position = self._fill(1), self._position
        end = len(block)
        last = _LINE if self._ended else _PIECE
        while position + 1 < end:
            kind, length = block[position], block[position + 1]
            start = position + 2
            if length & _LONG:
                length, start = self._long_length(block, position)
                if start == 0:
                    break
            if start + length > end:
                break
            if kind == _LINE:
                add(block[start : start + length])
                add(b"\r\n")
            elif kind == _PIECE:
                add(block[start : start + length])
            else:
                self._ended = last == _LINE
                self._position = position
                return self._take_other(kind, block[start : start + length], start + length)
            position, last = start + length, kind
        self._ended = last == _LINE
        if position == self._position:
            self._grow()
        else:
            self._position = position
        return 0

    def _take_other(self, kind: int, payload: bytes, following: int) -> int:
        if kind in (_END, _PADDING):
            self._position = following
            return kind
        if kind != _POINTER:
            raise ContentDamaged(f"bad record type: {kind} in message content")
        self._jump(payload, following)
        return kind

    def _jump(self, payload: bytes, following: int) -> None:
        digits = payload.strip()
        if not digits.isdigit() or len(digits) > _POINTER_DIGITS:
            raise ContentDamaged("malformed pointer record in message content")
        target = int(digits)
        if target == 0:
            self._position = following
            return
        if target <= self._start + following:
            self._jumps += 1
            if self._jumps > BACKWARD_JUMPS_LIMIT:
                raise ContentDamaged("too many backward jumps in message content")
        self._start, self._block, self._position = target, b"", 0

    def _long_length(self, block: bytes, position: int) -> tuple[int, int]:
        """A length of more than one octet, and where the payload begins; (0, 0) if it is not all in the window."""
        length = shift = 0
        for index in range(position + 1, position + 1 + _LENGTH_OCTETS):
            if index >= len(block):
                return 0, 0
            length |= (block[index] & 0x7F) << shift
            shift += 7
            if not block[index] & _LONG:
                if length > RECORD_LIMIT_OCTETS:
                    raise ContentDamaged("a record in message content is too long")
                return length, index + 1
        raise ContentDamaged("a bad record length in message content")

    def _fill(self, octets: int) -> bytes:
        """The window, with at least so many octets behind the position."""
        if len(self._block) - self._position < octets:
            self._read_on(max(octets, BLOCK_OCTETS))
            if len(self._block) - self._position < octets:
                raise ContentDamaged("unexpected end of the queue file in message content")
        return self._block

    def _grow(self) -> None:
        """The next record is not all in the window."""
        left = len(self._block) - self._position
        wanted = left + BLOCK_OCTETS
        if left > 1 and self._block[self._position + 1] & _LONG:
            wanted += self._long_length(self._block, self._position)[0]
        self._read_on(wanted)
        if len(self._block) - self._position <= left:
            raise ContentDamaged("unexpected end of the queue file in message content")

    def _read_on(self, octets: int) -> None:
        """Move the window such that it begins at the position and holds `octets`, or as much as there is."""
        self._start += self._position
        try:
            self._block = os.pread(self._descriptor, octets, self._start)
        except (OSError, OverflowError) as cause:
            raise ContentUnreadable(getattr(cause, "strerror", None) or str(cause)) from cause
        self._position = 0
