"""The message on standard input, as sendmail(1) takes it: up to a lone dot or the end, without the mailbox line in front.

The text comes out in canonical form (`content.canonical`), the header apart from the body, the body in pieces, so that a large
message is never in memory as a whole.

What can go wrong: `TooLarge` once more than `limit_octets` have come in, or a header does not come to its end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

from mailrider.content.canonical import Canonicalizer
from mailrider.content.completion import is_all_header, split_fields
from mailrider.errors import MailriderError

LINE_OCTETS = 64 * 1024
"""A longer line comes in pieces."""

PIECE_OCTETS = 64 * 1024
"""How much of the body is handed on at once."""

HEADER_LIMIT_OCTETS = 1024 * 1024
"""A larger header is refused: ten times the `header_size_limit` of one field."""

_MAILBOX_LINE = re.compile(rb">*From ")
_DOT_LINES = (b".\n", b".\r\n", b".")


class TooLarge(MailriderError):
    """The message is larger than `message_size_limit`, or its header than `HEADER_LIMIT_OCTETS`."""


def read_lines(stream: BinaryIO, *, dot_ends: bool) -> Iterator[bytes]:
    """The lines of a message as they come, without a mailbox line in front of it."""
    at_start, is_whole = True, True
    while line := stream.readline(LINE_OCTETS):
        if is_whole and dot_ends and line in _DOT_LINES:
            return
        begins_line, is_whole = is_whole, line.endswith(b"\n")
        if at_start and begins_line and _MAILBOX_LINE.match(line):
            while not is_whole and (more := stream.readline(LINE_OCTETS)):
                is_whole = more.endswith(b"\n")
            is_whole = True
            continue
        at_start = False
        yield line


class SubmittedText:
    """One message: `fields` of its header, and then its body."""

    def __init__(self, stream: BinaryIO, *, dot_ends: bool, limit_octets: int) -> None:
        self._lines = read_lines(stream, dot_ends=dot_ends)
        self._canonical = Canonicalizer()
        self._limit_octets = limit_octets
        self._size_octets = 0
        header: list[bytes] = []
        self._is_at_end = True
        for line in self._lines:
            header.append(self._take(line))
            if not line.strip(b"\r\n"):
                self._is_at_end = False
                break
            if self._size_octets > HEADER_LIMIT_OCTETS:
                if is_all_header(b"".join(header)):
                    raise TooLarge("message header too big")  # a guess where it ends could show a Bcc to everybody
                self._is_at_end = False
                break
        if self._is_at_end:
            header.append(self._canonical.finish())
        self.fields, self._rest = split_fields(b"".join(header))

    def _take(self, line: bytes) -> bytes:
        self._size_octets += len(line)
        if self._limit_octets and self._size_octets > self._limit_octets:
            raise TooLarge("message file too big")
        return self._canonical.feed(line)

    def body(self) -> Iterator[bytes]:
        """What follows the header, with the empty line between them."""
        yield self._rest if self._rest.startswith(b"\r\n") else b"\r\n" + self._rest
        if self._is_at_end:
            return
        gathered: list[bytes] = []
        size = 0
        for line in self._lines:
            gathered.append(self._take(line))  # joined once: to add each line to what is there would copy it all again
            size += len(line)
            if size >= PIECE_OCTETS:
                yield b"".join(gathered)
                gathered, size = [], 0
        yield b"".join(gathered) + self._canonical.finish()
