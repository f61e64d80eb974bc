"""Tables of fixed strings: `inline`, `static`, `texthash`, `randmap` and `fail`.

``inline:{ key = value, { key = value with blanks } }``
    the whole table in its name.  A key given twice has its last value.
``static:value``, ``static:{ value with blanks }``
    one value for every key.
``texthash:/path``
    a file with a key, blanks and a value on each logical line, read again when it changes.  A key may hold blanks within
    double quotes, which stay part of it.  Of a key given twice the first value counts, as for postmap(1).  Lines that make
    no sense are warned of and ignored.

``randmap:{ value, value }``
    one of these values for every key, by chance; a value may not hold a blank.
``fail:text``
    no answer ever: every lookup is `TableTrouble`, which defers.

Keys are compared without regard to case.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from typing import NamedTuple

from mailrider.errors import TableTrouble, WrongConfiguration
from mailrider.tables.braces import split_members, take_braced, take_stripped
from mailrider.tables.logical_lines import BLANKS, LogicalLine, Warn, quote_beginning
from mailrider.tables.source import Surroundings, TextTable
from mailrider.tables.table import fold_key

# Up to the first blank that is neither within quotes nor behind a backslash.  An unclosed quote fails to match.
_KEY = re.compile(r'(?:\\(?s:.)?|[^\\" \t\n\v\f\r]|"(?:\\(?s:.)?|[^\\"])*")*+(?!")')
_KEY_BEFORE_EQUALS = re.compile(r'(?:\\(?s:.)?|[^\\"= \t\n\v\f\r]|"(?:\\(?s:.)?|[^\\"])*")*+(?!")')


class StaticTable(NamedTuple):
    """One value for every key."""

    title: str
    value: str

    def find(self, key: str) -> str | None:
        """The value."""
        return self.value


class InlineTable:
    """A table of fixed strings from its own name."""

    def __init__(self, name: str, surroundings: Surroundings) -> None:
        self.title = f"inline:{name}"
        self._values: dict[str, str] = {}
        self._folds = surroundings.folds
        try:
            for member in split_members(take_braced(name)):
                pair = take_stripped(member) if member.startswith("{") else member
                key, value = _split_pair(pair)
                self._values[fold_key(key) if self._folds else key] = value
        except WrongConfiguration as trouble:
            raise WrongConfiguration(f"{self.title}: {trouble}; write inline:{{name=value, ...}}") from None
        if not self._values:
            raise WrongConfiguration(f"{self.title}: empty table; write inline:{{name=value, ...}}")

    def find(self, key: str) -> str | None:
        """The value of `key`."""
        return self._values.get(fold_key(key) if self._folds else key)

    def entries(self) -> Iterator[tuple[str, str]]:
        """All keys, as they are kept, and values."""
        yield from self._values.items()


class TextHashTable(TextTable[dict[str, str]]):
    """A file of keys and values."""

    kind = "texthash"

    def __init__(self, name: str, surroundings: Surroundings) -> None:
        self._folds = surroundings.folds
        # Braces have no meaning here, so such a name is the name of a file.
        super().__init__(f"./{name}" if name.startswith("{") else name, surroundings)

    def entries(self) -> Iterator[tuple[str, str]]:
        """All keys, as they are kept, and values, in the order of the file."""
        yield from self._rules.items()

    def _parse(self, lines: list[LogicalLine]) -> dict[str, str]:
        values: dict[str, str] = {}
        for number, key, value in split_pairs(lines, self.title, self._warn):
            kept = key.casefold() if self._folds else key
            if kept in values:
                self._warn(f"{self._place(number)}: ignored duplicate entry {quote_beginning(key)}")
                continue
            values[kept] = value
        return values

    def _look_up(self, rules: dict[str, str], key: str) -> str | None:
        return rules.get(fold_key(key) if self._folds else key)


class RandomTable:
    """One of its values for every key."""

    is_pattern = True

    def __init__(self, name: str, surroundings: Surroundings) -> None:
        self.title = f"randmap:{name}"
        try:
            self._values = list(split_members(take_braced(name)))
        except WrongConfiguration as trouble:
            raise WrongConfiguration(f"{self.title}: {trouble}; write randmap:{{value, value}}") from None
        if not self._values:
            raise WrongConfiguration(f"{self.title}: no value; write randmap:{{value, value}}")

    def find(self, key: str) -> str | None:
        """One of the values."""
        return random.choice(self._values)


class FailingTable(NamedTuple):
    """Never answers."""

    title: str
    is_pattern: bool = True

    def find(self, key: str) -> str | None:
        """Raises `TableTrouble`."""
        raise TableTrouble(f"{self.title}: this table always fails")


def open_fail(name: str, surroundings: Surroundings) -> FailingTable:
    """The table `fail:name`."""
    return FailingTable(f"fail:{name}")


def split_pairs(lines: list[LogicalLine], place: str, warn: Warn) -> Iterator[tuple[int, str, str]]:
    """Line number, key and value of each line that is a key, blanks and a value; the others are warned of.

    `place` is where the lines stand, for warnings.
    """
    for number, line in lines:
        match = _KEY.match(line)
        if match is None:
            warn(f"{place}, line {number}: ignored for its unbalanced quote: {quote_beginning(line)}")
            continue
        key, value = match[0], line[match.end() :].strip(BLANKS)
        if not key or not value:
            warn(f"{place}, line {number}: ignored, since a line is a key, white space and a value")
            continue
        if not line.isascii() and not _is_text(line):
            warn(f"{place}, line {number}: ignored, since it is no UTF-8: {quote_beginning(line)}")
            continue
        if key.endswith(":"):
            warn(f"{place}, line {number}: the key ends in a colon, as in an alias file")
        yield number, key, value


def _is_text(line: str) -> bool:
    """Whether a line was UTF-8 in its file."""
    try:
        line.encode()
    except UnicodeEncodeError:
        return False
    return True


def open_static(name: str, surroundings: Surroundings) -> StaticTable:
    """The table `static:name`; raises `WrongConfiguration` for a brace that is not closed."""
    if not name.startswith("{"):
        return StaticTable(f"static:{name}", name)
    try:
        return StaticTable(f"static:{name}", take_stripped(name))
    except WrongConfiguration as trouble:
        raise WrongConfiguration(f"static:{name}: {trouble}") from None


def _split_pair(text: str) -> tuple[str, str]:
    """Key and value of `key = value`."""
    text = text.strip(BLANKS)
    match = _KEY_BEFORE_EQUALS.match(text)
    if match is None:
        raise WrongConfiguration(f"unbalanced quote in {quote_beginning(text)}")
    rest = text[match.end() :].lstrip(BLANKS)
    if not rest.startswith("="):
        raise WrongConfiguration(f"missing '=' after the name in {quote_beginning(text)}")
    return match[0], rest[1:].strip(BLANKS)
