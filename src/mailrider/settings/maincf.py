"""The text of main.cf as entries: which name has which value, and where that was said (postconf(5), "main.cf file format").

A logical line starts with a character that is no blank and takes in all following lines that start with a blank, each with its
leading blanks and without its newline.  Empty lines and lines whose first non-blank is `#` do not exist, wherever
they are.  Anywhere else `#` and quotes are ordinary characters.  Values stay unexpanded.  The last definition of a name wins.

What can go wrong: a line without `=`, a line without a name, or a text past the limits below is `WrongConfiguration` with
file and line; a file that cannot be read is `WrongConfiguration` too.  Doubtful lines are warnings, in the order of the file.

Bytes that are no UTF-8 are kept (surrogateescape) and come back out as they were.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from mailrider.errors import WrongConfiguration, WrongUsage
from mailrider.model.texts import hide_values, hides_values
from mailrider.settings.lines import LINE_LIMIT_CHARACTERS, SPACE, join_lines, quote, read_text

if TYPE_CHECKING:
    from pathlib import Path

ENTRIES_LIMIT = 10_000
"""Postfix has about a thousand parameters; the rest is left to names that operators make up."""



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
    return parse_main_cf(read_text(path), str(path))


def parse_main_cf(text: str, path: str) -> MainCf:
    """Parse the text of a main.cf; `path` is for messages."""
    entries: dict[str, Entry] = {}
    warnings: list[str] = []
    for number, line in join_lines(text, path, warnings):
        entry = _parse_line(line, path, number)
        old = entries.get(entry.name)
        if old is not None and old.value != entry.value:
            value = hide_values(old.value) if hides_values(old.name) else old.value
            warnings.append(f"{entry.place}: overriding earlier entry: {old.name}={value}")
        entries[entry.name] = entry
        if len(entries) > ENTRIES_LIMIT:
            raise WrongConfiguration(f"{entry.place}: more than {ENTRIES_LIMIT} parameters")
    return MainCf(entries, tuple(warnings))


def parse_override(text: str) -> Entry:
    """`name=value` as it follows `-o`; raises `WrongUsage`."""
    name, equals, value = text.partition("=")
    name = name.strip(SPACE)
    if not equals or not name or any(character in SPACE for character in name):
        raise WrongUsage(f"-o needs name=value, not {quote(text)}")
    if len(text) > LINE_LIMIT_CHARACTERS:
        raise WrongUsage(f"-o {name} has a value longer than {LINE_LIMIT_CHARACTERS} characters")
    return Entry(name, value.partition("\0")[0].strip(SPACE), "-o", 0)


def _parse_line(line: str, path: str, number: int) -> Entry:
    """`name = value` of one logical line."""
    before, equals, value = line.partition("=")
    name = before.rstrip(SPACE)
    if not name:
        raise WrongConfiguration(f"{path}, line {number}: missing attribute name: {quote(line)}")
    if not equals or any(character in SPACE for character in name):
        raise WrongConfiguration(f"{path}, line {number}: missing '=' after attribute name: {quote(line)}")
    return Entry(name, value.strip(SPACE), path, number)
