"""Long lines as smtp(8) meets them: in pieces.

A Postfix queue file keeps a line of `line_length_limit` octets or more as several records, and smtp(8) looks at one record
at a time: a body check sees a record, a boundary is looked for in the first record of a line, and what follows a long
boundary line within it is taken for the first line of the part.  So that the same message gives the same octets, long lines
are cut in the same places here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

RECORD_LIMIT_OCTETS = 2048
"""Default of `line_length_limit`."""


class Record(NamedTuple):
    """A piece of a line, without the line end; `ended` for the last piece."""

    text: bytes
    ended: bool


def cut_line(line: bytes, limit_octets: int) -> Iterator[Record]:
    """Cut a line, given without its line end, into records.  One that just fills a record is followed by an empty one."""
    start = 0
    while len(line) - start >= limit_octets:
        yield Record(line[start : start + limit_octets], False)
        start += limit_octets
    yield Record(line[start:], True)


def split_lines(block: bytes) -> list[bytes]:
    """The lines of a block that ends with a line end, without their line ends (CRLF, or LF alone)."""
    if block.count(b"\n") == block.count(b"\r\n"):
        return block[:-2].split(b"\r\n")
    return [line.removesuffix(b"\r") for line in block[:-1].split(b"\n")]
