"""Several tables behind each other, as in `smtp_generic_maps = inline:{...}, regexp:/path`."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from mailrider.errors import TableTrouble, WrongConfiguration
from mailrider.model.texts import hide_values, hides_values
from mailrider.tables.braces import split_members
from mailrider.tables.logical_lines import Warn, quote_beginning
from mailrider.tables.opening import open_table
from mailrider.tables.source import Surroundings, find_no_parameter, ignore_warning
from mailrider.tables.table import Table, takes_partial_keys


class Maps:
    """A list of tables that answers as one; it is a `Table` itself.  `title` is for messages, as a rule the parameter."""

    __slots__ = ("_tables", "title")

    def __init__(self, title: str, tables: Sequence[Table]) -> None:
        self.title = title
        self._tables = tuple(tables)

    def __bool__(self) -> bool:
        return bool(self._tables)

    def find(self, key: str, *, partial: bool = False) -> str | None:
        """The value from the first table that has one.

        An empty key has none.  A `partial` key, such as a parent domain, is not shown to tables of patterns.  Raises
        `TableTrouble` when a table that is reached cannot answer, or answers with an empty text, which means nothing.
        """
        if not key:
            return None
        for table in self._tables:
            if partial and not takes_partial_keys(table):
                continue
            value = table.find(key)
            if value:
                return value
            if value is not None:
                raise TableTrouble(f"{self.title}: {table.title} has an empty text for {quote_beginning(key)}")
        return None


class SecretMaps(Maps):
    """Tables whose trouble is told without what they hold."""

    __slots__ = ()

    def find(self, key: str, *, partial: bool = False) -> str | None:
        """See `Maps`."""
        try:
            return super().find(key, partial=partial)
        except TableTrouble as trouble:
            raise TableTrouble(hide_values(str(trouble))) from None


def open_maps(
    title: str,
    text: str,
    *,
    warn: Warn = ignore_warning,
    now_seconds: Callable[[], float] = time.monotonic,
    find_parameter: Callable[[str], str | None] = find_no_parameter,
    folds: bool = True,
) -> Maps:
    """Open the tables of a list, separated by commas and blanks; see `opening.open_table` for the rest.

    `title` is the parameter, for messages; `find_parameter` knows main.cf and `folds` says whether tables of fixed strings
    have no regard to case, see `source.Surroundings`.  An empty list is no error.  What tables of passwords hold is in no
    message, even where they are written out in main.cf.  Raises `WrongConfiguration`.
    """
    secret = hides_values(title)
    tell = (lambda sentence: warn(hide_values(sentence))) if secret else warn
    surroundings = Surroundings(tell, now_seconds, folds=folds, find_parameter=find_parameter)
    try:
        tables = [open_table(member, surroundings=surroundings) for member in split_members(text)]
    except WrongConfiguration as trouble:
        raise WrongConfiguration(f"{title}: {hide_values(str(trouble)) if secret else trouble}") from None
    return SecretMaps(title, tables) if secret else Maps(title, tables)
