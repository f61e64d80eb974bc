"""Lines fit for the wire: no longer than the server may take, and with their dots stuffed.

*Folding* (`smtp_line_length_limit`): a line of more than N octets becomes a line of N octets, then continuation lines made
of one blank and up to N-1 further octets.  A cut never falls into the middle of a UTF-8 character (smtp(8) cuts there), unless
not even one fits on a line.  A continuation line of less than a blank and an octet cannot be had, so N is at least 2.

*Dot stuffing* (RFC 5321 §4.5.2): a line that begins with a dot gets another, at its true start only.

Neither walks through a message that needs no change: a long line shows as a stretch of N+1 octets without a line end,
looked for in steps of N octets, and a dot is found by one search.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from mailrider.content.plain import PlainOctets

# A pattern leaps from line end to line end; `in` and `replace` look at every second octet, which takes three times as long.
_DOT_AT_LINE_START = re.compile(rb"\n\.")

LINE_LENGTH_LIMIT_OCTETS = 998
"""Default of `smtp_line_length_limit` (RFC 5321 §4.5.3.1.6, without the CRLF)."""


def look_once(octets: bytes) -> bytes:
    """The same text, as `PlainOctets` where it is that."""
    if not octets.endswith(b"\n") or octets.startswith(b".") or _DOT_AT_LINE_START.search(octets):
        return octets
    return octets if has_long_line(octets, LINE_LENGTH_LIMIT_OCTETS) else PlainOctets(octets)


def has_long_line(octets: bytes, limit_octets: int, column: int = 0) -> bool:
    """True if a line, CRLF not counted, is longer than the limit.

    `column` octets of the first line came before.  A last line without its end counts as it stands.
    """
    step = limit_octets + 2  # a line of exactly the limit, its CR and its LF
    end = len(octets)
    begin = -column  # of the line that is looked at
    while end - begin > limit_octets:
        inside = begin if begin > 0 else 0
        newline = octets.rfind(b"\n", inside, begin + step)
        if newline < 0:
            # No line ends in this window.  One octet too many may be the CR of a line that ends right behind it.
            return end - begin > limit_octets + 1 or not octets[inside : begin + step].endswith(b"\r")
        begin = newline + 1
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
    once, where the first line is folded.
    """
    column = 0  # octets of the current line, in its unfolded form, that have gone before this chunk
    room = limit_octets  # octets that still fit on the current physical line
    usual = not limit_octets or limit_octets >= LINE_LENGTH_LIMIT_OCTETS
    for chunk in _keep_together(chunks):
        at_line_start = column == 0
        if usual and at_line_start and type(chunk) is PlainOctets:
            yield chunk
            continue
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


# A CR whose LF comes with the next chunk, and the beginning of a character whose rest does.
_UNFINISHED = re.compile(rb"(?:\r|[\xc0-\xff][\x80-\xbf]{0,2})\Z")
_UNFINISHED_OCTETS = 3


def _keep_together(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The same text in chunks that are not empty and end neither inside a line end nor inside a character."""
    held = b""
    for piece in chunks:
        chunk = held + piece if held else piece
        held = b""
        if not chunk.endswith(b"\n") and (unfinished := _UNFINISHED.search(chunk[-_UNFINISHED_OCTETS:])):
            held = unfinished[0]
            chunk = chunk[: -len(held)]
        if chunk:
            yield chunk
    if held:
        yield held


def _fold(chunk: bytes, limit: int, column: int, room: int, stuff: bool) -> tuple[bytes, int, int]:
    """Fold a chunk that has a long line, line by line."""
    out: list[bytes] = []
    for number, line in enumerate(chunk.split(b"\r\n")):
        if number:
            out.append(b"\r\n")
            column, room = 0, limit
        if stuff and column == 0 and line.startswith(b"."):
            out.append(b".")
        column += len(line)
        empty = room == limit  # the physical line
        while len(line) > room:
            cut = _cut_between_characters(line, room)
            if cut == 0 and empty:
                cut = room
            out += (line[:cut], b"\r\n ")
            line = line[cut:]
            room = max(limit - 1, 1)
            empty = True
        out.append(line)
        room -= len(line)
    return b"".join(out), column, room


def _cut_between_characters(line: bytes, room: int) -> int:
    """The last place at or before `room` that is not inside a UTF-8 character (of at most four octets)."""
    cut = room
    for _ in range(4):
        if line[cut] & 0xC0 != 0x80:  # no character goes on here
            return cut if cut == room or line[cut] >= 0xC0 else room
        if cut == 0:
            break
        cut -= 1
    return room
