"""Logical lines of the files that hold lookup tables, in the format of main.cf.

A logical line begins with a character that is no blank and takes in the following lines that begin with one, each with its
blanks and without its line end.  Empty lines, lines of blanks and lines whose first visible character is `#` do not
exist, also in the middle of a logical line (postconf(5)).  Blanks are those of ASCII.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

BLANKS: Final = " \t\n\v\f\r"
"""What isspace(3) takes for white space in the C locale; Python's own idea is wider."""

QUOTE_CHARACTERS: Final = 30
"""How much of a line that is wrong is shown."""

Warn = Callable[[str], None]
"""Hears, as one line of text, what an operator should look at; the table goes on without it."""


class LogicalLine(NamedTuple):
    """One logical line, and the number of its first line, from 1."""

    number: int
    text: str


def split_logical_lines(text: str, name: str, warn: Warn) -> Iterator[LogicalLine]:
    """The logical lines of `text`; `name` is where it stands, for warnings."""
    pieces: list[str] = []
    first = 0
    for number, line in enumerate(text.split("\n"), 1):
        visible = line.lstrip(BLANKS)
        if not visible or visible[0] == "#":
            continue
        if pieces and len(visible) == len(line):
            yield from _finish(pieces, first, name, warn)
            pieces = []
        if not pieces:
            first = number
        pieces.append(line)
    if pieces:
        yield from _finish(pieces, first, name, warn)


def _finish(pieces: list[str], first: int, name: str, warn: Warn) -> Iterator[LogicalLine]:
    line = "".join(pieces)
    if "\0" in line:
        warn(f"{name}, line {first}: text after a null byte is ignored")
        line = line.partition("\0")[0]
    if line[:1] in BLANKS and line:
        warn(f"{name}, line {first}: ignored, since a line may not begin with white space: {quote_beginning(line)}")
    elif line:
        yield LogicalLine(first, line)


def quote_beginning(text: str) -> str:
    """The beginning of `text` in quotes, fit for a log."""
    shown = text[:QUOTE_CHARACTERS].encode("unicode_escape", "backslashreplace").decode("ascii")
    return f'"{shown}{"..." if len(text) > QUOTE_CHARACTERS else ""}"'
