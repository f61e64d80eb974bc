"""The text of main.cf as entries: which name has which value, and where that was said (postconf(5), "main.cf file format").

A logical line starts with a character that is no blank and takes in all following lines that start with a blank, each with its
leading blanks and without its newline.  Empty lines and lines whose first non-blank is `#` do not exist, wherever
they are.  Anywhere else `#` and quotes are ordinary characters.  Values stay unexpanded.  The last definition of a name wins.

What can go wrong: a line without `=`, a line without a name, or a text past the limits below is `WrongConfiguration` with
file and line; a file that cannot be read is `WrongConfiguration` too.  Doubtful lines are warnings, in the order of the file.

Bytes that are no UTF-8 are kept (surrogateescape) and come back out as they were.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from mailrider.errors import WrongConfiguration, WrongUsage

if TYPE_CHECKING:
    from pathlib import Path

FILE_LIMIT_OCTETS = 4 << 20
"""A main.cf with large inline tables has some ten thousand octets."""

LINE_LIMIT_CHARACTERS = 512 << 10
"""One logical line, and so one value."""

ENTRIES_LIMIT = 10_000
"""Postfix has about a thousand parameters; the rest is left to names that operators make up."""

_SPACE = " \t\n\v\f\r"
_QUOTE_CHARACTERS = 30


class Entry(NamedTuple):
    """One definition.  `line` is where it starts, counted from 1; 0 for one that was given on the command line."""

    name: str
    value: str
    path: str
    line: int

    @property
    def place(self) -> str:
        """Where it stands, for messages: `/etc/mailrider/main.cf, line 3` or `-o`."""
        return f"{self.path}, line {self.line}" if self.line else self.path


class MainCf(NamedTuple):
    """What a file said: the entry that won for each name, and what looked wrong."""

    entries: dict[str, Entry]
    warnings: tuple[str, ...] = ()


def read_main_cf(path: Path) -> MainCf:
    """Read and parse a file."""
    try:
        with path.open("rb") as file:
            octets = file.read(FILE_LIMIT_OCTETS + 1)
    except OSError as error:
        raise WrongConfiguration(f"cannot read {path}: {error.strerror or error}") from None
    if len(octets) > FILE_LIMIT_OCTETS:
        raise WrongConfiguration(f"{path}: larger than {FILE_LIMIT_OCTETS} octets")
    return parse_main_cf(octets.decode("utf-8", "surrogateescape"), str(path))


def parse_main_cf(text: str, path: str) -> MainCf:
    """Parse the text of a main.cf; `path` is for messages."""
    entries: dict[str, Entry] = {}
    warnings: list[str] = []
    for number, line in _join_lines(text, path, warnings):
        entry = _parse_line(line, path, number)
        old = entries.get(entry.name)
        if old is not None and old.value != entry.value:
            warnings.append(f"{entry.place}: overriding earlier entry: {old.name}={old.value}")
        entries[entry.name] = entry
        if len(entries) > ENTRIES_LIMIT:
            raise WrongConfiguration(f"{entry.place}: more than {ENTRIES_LIMIT} parameters")
    return MainCf(entries, tuple(warnings))


def parse_override(text: str) -> Entry:
    """`name=value` as it follows `-o`; raises `WrongUsage`."""
    name, equals, value = text.partition("=")
    name = name.strip(_SPACE)
    if not equals or not name or any(character in _SPACE for character in name):
        raise WrongUsage(f"-o needs name=value, not {_quote(text)}")
    if len(text) > LINE_LIMIT_CHARACTERS:
        raise WrongUsage(f"-o {name} has a value longer than {LINE_LIMIT_CHARACTERS} characters")
    return Entry(name, value.partition("\0")[0].strip(_SPACE), "-o", 0)


def _join_lines(text: str, path: str, warnings: list[str]) -> Iterator[tuple[int, str]]:
    """The logical lines of `text`, each with the number of its first line."""
    pieces: list[str] = []
    first = length = 0
    for number, line in enumerate(text.split("\n"), 1):
        visible = line.lstrip(_SPACE)
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
    if line and line[0] in _SPACE:
        warnings.append(f"{path}, line {first}: ignored, since a line may not start with white space: {_quote(line)}")
    else:
        yield first, line


def _parse_line(line: str, path: str, number: int) -> Entry:
    """`name = value` of one logical line."""
    before, equals, value = line.partition("=")
    name = before.rstrip(_SPACE)
    if not name:
        raise WrongConfiguration(f"{path}, line {number}: missing attribute name: {_quote(line)}")
    if not equals or any(character in _SPACE for character in name):
        raise WrongConfiguration(f"{path}, line {number}: missing '=' after attribute name: {_quote(line)}")
    return Entry(name, value.strip(_SPACE), path, number)


def _quote(text: str) -> str:
    """The beginning of `text` in quotes, with nothing in it that could disturb a log."""
    shown = text[:_QUOTE_CHARACTERS].encode("unicode_escape", "backslashreplace").decode("ascii")
    return f'"{shown}{"..." if len(text) > _QUOTE_CHARACTERS else ""}"'
