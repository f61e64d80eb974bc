"""Tables of fixed strings: `inline`, `static` and `texthash`.

``inline:{ key = value, { key = value with blanks } }``
    the whole table in its name.  A key given twice has its last value.
``static:value``, ``static:{ value with blanks }``
    one value for every key.
``texthash:/path``
    a file with a key, blanks and a value on each logical line, read again when it changes.  A key may hold blanks within
    double quotes, which stay part of it.  Of a key given twice the first value counts, as for postmap(1).  Lines that make
    no sense are warned of and ignored.

Keys are compared without regard to case.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from mailrider.errors import WrongConfiguration
from mailrider.tables.braces import split_members, take_braced, take_stripped
from mailrider.tables.logical_lines import BLANKS, LogicalLine, quote_beginning
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

    def __init__(self, name: str) -> None:
        self.title = f"inline:{name}"
        self._values: dict[str, str] = {}
        try:
            for member in split_members(take_braced(name)):
                pair = take_stripped(member) if member.startswith("{") else member
                key, value = _split_pair(pair)
                self._values[fold_key(key)] = value
        except WrongConfiguration as trouble:
            raise WrongConfiguration(f"{self.title}: {trouble}; write inline:{{name=value, ...}}") from None
        if not self._values:
            raise WrongConfiguration(f"{self.title}: empty table; write inline:{{name=value, ...}}")

    def find(self, key: str) -> str | None:
        """The value of `key`."""
        return self._values.get(fold_key(key))


class TextHashTable(TextTable[dict[str, str]]):
    """A file of keys and values."""

    kind = "texthash"

    def __init__(self, name: str, surroundings: Surroundings) -> None:
        # Braces have no meaning here, so such a name is the name of a file.
        super().__init__(f"./{name}" if name.startswith("{") else name, surroundings)

    def _parse(self, lines: list[LogicalLine]) -> dict[str, str]:
        values: dict[str, str] = {}
        for number, line in lines:
            match = _KEY.match(line)
            if match is None:
                self._warn(f"{self._place(number)}: ignored for its unbalanced quote: {quote_beginning(line)}")
                continue
            key, value = match[0], line[match.end() :].strip(BLANKS)
            if not key or not value:
                self._warn(f"{self._place(number)}: ignored, since a line is a key, white space and a value")
                continue
            if key.endswith(":"):
                self._warn(f"{self._place(number)}: the key ends in a colon, as in an alias file")
            if fold_key(key) in values:
                self._warn(f"{self._place(number)}: ignored duplicate entry {quote_beginning(key)}")
                continue
            values[fold_key(key)] = value
        return values

    def _look_up(self, rules: dict[str, str], key: str) -> str | None:
        return rules.get(fold_key(key))


def open_static(name: str) -> StaticTable:
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
