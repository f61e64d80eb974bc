"""`sqlite:/path`: a definition that names a file of SQLite (sqlite_table(5)).

Parameters: `dbpath`, `query` or `table`, `select_field`, `where_field`, `additional_conditions`; `result_format`, `domain`,
`expansion_limit`; and `timeout`, in seconds, which is ours.  The first column of each row counts.

What differs from Postfix: a second statement behind the first one is trouble instead of ignored; a file that another one was
put in the place of is opened anew; a query has a time limit.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from mailrider.errors import TableTrouble, WrongConfiguration
from mailrider.tables.definition import Definition
from mailrider.tables.dialogue import Deadline, SlowDialogue
from mailrider.tables.key_template import KeyTemplates
from mailrider.tables.logical_lines import quote_beginning
from mailrider.tables.queried import QueriedTable
from mailrider.tables.sql import ROWS_LIMIT, double_quotes, read_query

if TYPE_CHECKING:
    import sqlite3

STEPS_BETWEEN_LOOKS: Final = 10_000
"""Instructions of SQLite's machine, well under a millisecond, between two looks at the clock."""

_QUOTED_OR_PART = re.compile(r"'[^']*(?:'|\Z)|%%|%([A-Za-z0-9])")


class SqliteTable(QueriedTable):
    """`sqlite:`."""

    kind = "sqlite"
    _base: sqlite3.Connection | None = None
    _file: object = None

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """Let go of what is open; the next lookup opens it again."""
        base, self._base = self._base, None
        if base is not None:
            base.close()

    def _configure(self, definition: Definition) -> KeyTemplates:
        self.close()
        self._path = definition.text("dbpath", required=True)
        self._query = read_query(definition)
        for match in _QUOTED_OR_PART.finditer(self._query):
            if match[1]:
                self._surroundings.warn(f"{self.title}: %{match[1]} stands outside single quotes in the query")
        templates = KeyTemplates(self.title, [self._query], definition.text("result_format", "%s", required=True))
        try:
            self._open()
        except TableTrouble as trouble:
            raise WrongConfiguration(str(trouble)) from None
        return templates

    def _open(self) -> None:
        """Open the file, again where it is another one."""
        import sqlite3
        import urllib.parse

        try:
            status = os.stat(self._path)
            if self._base is not None and self._file == (status.st_dev, status.st_ino):
                return
            self.close()
            place = urllib.parse.quote(os.path.abspath(self._path))
            # The page that asks may be on another thread than the one that opened it, though never at the same time.
            base = sqlite3.connect(f"file:{place}?mode=ro", uri=True, timeout=self._time_limit_seconds, check_same_thread=False)
        except (OSError, ValueError) as trouble:
            raise TableTrouble(f"{self.title}: open {self._path}: {getattr(trouble, 'strerror', None) or trouble}") from None
        except sqlite3.Error as trouble:
            raise TableTrouble(f"{self.title}: open {self._path}: {trouble}") from None
        base.text_factory = _decode
        self._base, self._file = base, (status.st_dev, status.st_ino)

    def _ask(self, key: str) -> Iterable[str | None] | None:
        import sqlite3

        query = self._templates.expand_query(self._query, key, double_quotes)
        if query is None:
            return None
        self._open()
        assert self._base is not None
        deadline = Deadline(self._time_limit_seconds)
        self._base.set_progress_handler(lambda: _is_over(deadline), STEPS_BETWEEN_LOOKS)
        try:
            rows = self._base.execute(query).fetchmany(ROWS_LIMIT + 1)
        except (sqlite3.Error, sqlite3.Warning) as trouble:
            if _is_over(deadline):
                raise TableTrouble(f"{self.title}: no answer within {self._time_limit_seconds:g} seconds") from None
            raise TableTrouble(f"{self.title}: {trouble}; query {quote_beginning(query)}") from None
        if len(rows) > ROWS_LIMIT:
            raise TableTrouble(f"{self.title}: more than {ROWS_LIMIT} rows in the answer")
        return [_write(row[0]) for row in rows]


def _is_over(deadline: Deadline) -> bool:
    try:
        deadline.remaining_seconds()
    except SlowDialogue:
        return True
    return False


def _decode(octets: bytes) -> str:
    return octets.decode("utf-8", "surrogateescape")


def _write(value: object) -> str | None:
    """A field as SQLite would write it."""
    if isinstance(value, bytes):
        return _decode(value)
    return None if value is None else str(value)
