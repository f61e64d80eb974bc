"""Lines fit for the wire: no longer than the server may take, and with their dots stuffed.

*Folding* (`smtp_line_length_limit`): a line of more than N octets becomes a line of N octets, then continuation lines made
of one blank and up to N-1 further octets.  A cut never falls into the middle of a UTF-8 character (smtp(8) cuts there).

*Dot stuffing* (RFC 5321 §4.5.2): a line that begins with a dot gets another, at its true start only.

Neither walks through a message that needs no change: a long line shows as a stretch of N+1 octets without a line end,
looked for in steps of N octets, and a dot is found by one search.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

# A pattern leaps from line end to line end; `in` and `replace` look at every second octet, which takes three times as long.
_DOT_AT_LINE_START = re.compile(rb"\n\.")

LINE_LENGTH_LIMIT_OCTETS = 998
"""Default of `smtp_line_length_limit` (RFC 5321 §4.5.3.1.6, without the CRLF)."""


def has_long_line(octets: bytes, limit_octets: int, column: int = 0) -> bool:
    """True if a line, CRLF not counted, is longer than the limit.

    `column` octets of the first line came before.  A last line without its end counts as it stands.
    """
    step = limit_octets + 2  # a line of exactly the limit, its CR and its LF
    position = -column
    end = len(octets)
    while end - position > limit_octets:
        newline = octets.rfind(b"\n", max(position, 0), position + step)
        if newline < 0:
            # No line ends in this window.  One octet too many may be the CR of a line that ends right behind it.
            tail = octets[max(position, 0) : position + step]
            return end - position > limit_octets + 1 or not tail.endswith(b"\r")
        position = newline + 1
    return False


def stuff_dots(octets: bytes, *, at_line_start: bool) -> bytes:
    """Double each dot that begins a line."""
    if _DOT_AT_LINE_START.search(octets):
        octets = octets.replace(b"\n.", b"\n..")
    if at_line_start and octets.startswith(b"."):
        octets = b"." + octets
    return octets


def prepare_lines(
    chunks: Iterable[bytes],
    limit_octets: int = LINE_LENGTH_LIMIT_OCTETS,
    *,
    stuff: bool = True,
    when_folded: Callable[[], None] | None = None,
) -> Iterator[bytes]:
    """Fold and stuff canonical text as it comes.

    `limit_octets` 0 means no limit; `stuff` is off for BDAT, which counts octets and knows no dot.  `when_folded` is called
    once, before the first line that is too long is given out.
    """
    column = 0  # octets of the current line, in its unfolded form, that have gone before this chunk
    room = limit_octets  # octets that still fit on the current physical line
    held = b""  # a CR whose LF comes with the next chunk
    for piece in chunks:
        chunk = held + piece if held else piece
        held = b""
        if chunk.endswith(b"\r"):
            chunk, held = chunk[:-1], b"\r"
        if not chunk:
            continue
        at_line_start = column == 0
        if not limit_octets or (room == limit_octets - column and not has_long_line(chunk, limit_octets, column)):
            newline = chunk.rfind(b"\n")
            column = len(chunk) - newline - 1 if newline >= 0 else column + len(chunk)
            room = limit_octets - column
            yield stuff_dots(chunk, at_line_start=at_line_start) if stuff else chunk
        else:
            if when_folded is not None:
                when_folded()
                when_folded = None
            folded, column, room = _fold(chunk, limit_octets, column, room, stuff)
            yield folded


def _fold(chunk: bytes, limit: int, column: int, room: int, stuff: bool) -> tuple[bytes, int, int]:
    """Fold a chunk that has a long line, line by line."""
    out: list[bytes] = []
    lines = chunk.split(b"\r\n")
    for number, line in enumerate(lines):
        if number:
            out.append(b"\r\n")
            column, room = 0, limit
        if stuff and column == 0 and line.startswith(b"."):
            out.append(b".")
        column += len(line)
        while len(line) > room:
            cut = _cut_between_characters(line, room)
            out += (line[:cut], b"\r\n ")
            line = line[cut:]
            room = limit - 1
        out.append(line)
        room -= len(line)
    return b"".join(out), column, room


def _cut_between_characters(line: bytes, room: int) -> int:
    """The last place at or before `room` that does not split a UTF-8 character (of at most four octets)."""
    for cut in range(room, max(room - 4, 0), -1):
        if line[cut] & 0xC0 != 0x80:
            return cut
    return room
