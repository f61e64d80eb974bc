"""Configuration files as logical lines: what main.cf and master.cf have in common (postconf(5), master(5)).

A logical line starts with a character that is no blank and takes in all following lines that start with a blank, each with its
leading blanks and without its newline.  Empty lines and lines whose first non-blank is `#` do not exist, wherever
they are.

What can go wrong: a file that cannot be read, and a text past the limits below, is `WrongConfiguration`.  A continuation of
nothing is left out, with a warning.  Bytes that are no UTF-8 are kept (surrogateescape) and come back out as they were.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from mailrider.errors import WrongConfiguration

if TYPE_CHECKING:
    from pathlib import Path

FILE_LIMIT_OCTETS = 4 << 20
"""A main.cf with large inline tables has some ten thousand octets."""

LINE_LIMIT_CHARACTERS = 512 << 10
"""One logical line, and so one value."""

SPACE = " \t\n\v\f\r"
"""What counts as a blank."""

_QUOTE_CHARACTERS = 30


def read_text(path: Path) -> str:
    """The text of a file."""
    try:
        with path.open("rb") as file:
            octets = file.read(FILE_LIMIT_OCTETS + 1)
    except OSError as error:
        raise WrongConfiguration(f"cannot read {path}: {error.strerror or error}") from None
    if len(octets) > FILE_LIMIT_OCTETS:
        raise WrongConfiguration(f"{path}: larger than {FILE_LIMIT_OCTETS} octets")
    return octets.decode("utf-8", "surrogateescape")


def join_lines(text: str, path: str, warnings: list[str]) -> Iterator[tuple[int, str]]:
    """The logical lines of `text`, each with the number of its first line."""
    pieces: list[str] = []
    first = length = 0
    for number, line in enumerate(text.split("\n"), 1):
        visible = line.lstrip(SPACE)
        if not visible or visible[0] == "#":
            continue
        if pieces and len(visible) == len(line):
            yield from _finish_line(pieces, path, first, warnings)
            pieces, length = [], 0
        if not pieces:
            first = number
        pieces.append(line)
        length += len(line)
        if length > LINE_LIMIT_CHARACTERS:
            raise WrongConfiguration(f"{path}, line {first}: longer than {LINE_LIMIT_CHARACTERS} characters")
    if pieces:
        yield from _finish_line(pieces, path, first, warnings)


def _finish_line(pieces: list[str], path: str, first: int, warnings: list[str]) -> Iterator[tuple[int, str]]:
    """One logical line, unless it is a continuation of nothing."""
    line = "".join(pieces)
    if "\0" in line:
        warnings.append(f"{path}, line {first}: text after a null byte is ignored")
        line = line.partition("\0")[0]
    if line and line[0] in SPACE:
        warnings.append(f"{path}, line {first}: ignored, since a line may not start with white space: {quote(line)}")
    else:
        yield first, line


def quote(text: str) -> str:
    """The beginning of `text` in quotes, with nothing in it that could disturb a log."""
    shown = text[:_QUOTE_CHARACTERS].encode("unicode_escape", "backslashreplace").decode("ascii")
    return f'"{shown}{"..." if len(text) > _QUOTE_CHARACTERS else ""}"'
