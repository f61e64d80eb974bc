"""Opens a lookup table from its name, `type:name`."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from mailrider.errors import WrongConfiguration
from mailrider.tables.cidr import CidrTable
from mailrider.tables.fixed import InlineTable, TextHashTable, open_static
from mailrider.tables.logical_lines import Warn, quote_beginning
from mailrider.tables.patterns import PcreTable, RegexpTable
from mailrider.tables.source import Surroundings, ignore_warning
from mailrider.tables.table import Table

_Opener = Callable[[str, Surroundings], Table]

_OPENERS: Final[dict[str, _Opener]] = {
    "cidr": CidrTable,
    "inline": lambda name, surroundings: InlineTable(name),
    "pcre": PcreTable,
    "regexp": RegexpTable,
    "static": lambda name, surroundings: open_static(name),
    "texthash": TextHashTable,
}

TABLE_TYPES: Final = tuple(sorted(_OPENERS))
"""The types that can be opened."""

# What Postfix has for these does not exist here, and what does their work.
_REMEDIES: Final = {
    "hash": "give the text file itself as texthash:",
    "btree": "give the text file itself as texthash:",
    "lmdb": "give the text file itself as texthash:",
    "cdb": "give the text file itself as texthash:",
    "dbm": "give the text file itself as texthash:",
    "sdbm": "give the text file itself as texthash:",
}


def open_table(title: str, *, warn: Warn = ignore_warning, now_seconds: Callable[[], float] = time.monotonic) -> Table:
    """Open the table `type:name`.

    `warn` hears of lines that are ignored, as one line of text each, now and when a file has changed; `now_seconds` is a
    clock that never goes back, by which files are looked at again.

    Raises `WrongConfiguration` for an unknown type, a file that cannot be read, a table in braces that cannot be
    understood, or a pattern that cannot be followed.
    """
    kind, colon, name = title.partition(":")
    if not colon or not kind or not name:
        raise WrongConfiguration(f"a lookup table is type:name, not {quote_beginning(title)}")
    opener = _OPENERS.get(kind)
    if opener is None:
        remedy = _REMEDIES.get(kind, f"there are {', '.join(TABLE_TYPES)}")
        raise WrongConfiguration(f"{quote_beginning(title)}: unsupported lookup table type {quote_beginning(kind)}; {remedy}")
    return opener(name, Surroundings(warn, now_seconds))
