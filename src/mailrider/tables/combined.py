"""Tables made of tables: `pipemap` and `unionmap`.

``pipemap:{type:name, type:name}``
    each table is asked for what the one before answered; a miss of one is a miss of all.
``unionmap:{type:name, type:name}``
    every table is asked, and their answers stand behind each other with commas between.

The first table decides whether the whole may be asked for a part of a key.  A table that cannot answer means that the whole
cannot.
"""

from __future__ import annotations

from mailrider.errors import WrongConfiguration
from mailrider.tables.braces import split_members, take_braced
from mailrider.tables.opening import PREFIXES_LIMIT, open_table
from mailrider.tables.source import Surroundings
from mailrider.tables.table import Table, close_table, takes_partial_keys


class _CombinedTable:
    """What both kinds have in common."""

    kind: str

    def __init__(self, name: str, surroundings: Surroundings) -> None:
        self.title = f"{self.kind}:{name}"
        if name.count("{") > PREFIXES_LIMIT:
            raise WrongConfiguration(f"{self.title[:60]}...: more than {PREFIXES_LIMIT} tables within tables")
        try:
            members = list(split_members(take_braced(name)))
        except WrongConfiguration:
            members = []
        if not members or not all(":" in member for member in members):
            raise WrongConfiguration(f"{self.title}: write {self.kind}:{{type:name, type:name}}")
        self._tables: list[Table] = [open_table(member, surroundings=surroundings) for member in members]
        self.is_pattern = not takes_partial_keys(self._tables[0])

    def close(self) -> None:
        """Let go of what the tables keep open."""
        for table in self._tables:
            close_table(table)


class PipeTable(_CombinedTable):
    """`pipemap:`."""

    kind = "pipemap"

    def find(self, key: str) -> str | None:
        """What the last table answers."""
        for table in self._tables:
            value = table.find(key)
            if value is None:
                return None
            key = value
        return key


class UnionTable(_CombinedTable):
    """`unionmap:`."""

    kind = "unionmap"

    def find(self, key: str) -> str | None:
        """All answers, with commas between."""
        answer = ""
        for table in self._tables:
            value = table.find(key)
            if value is not None:
                answer = f"{answer},{value}" if answer else value
        return answer or None
