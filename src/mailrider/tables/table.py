"""The interface of every lookup table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, runtime_checkable


class Table(Protocol):
    """One `type:name`.

    Lookups are synchronous: most tables are in memory or in a local file.  Those that ask a server keep to a time limit,
    and deliveries wait for them as long (`docs/tables.md`).
    """

    @property
    def title(self) -> str:
        """`type:name`, for messages."""

    def find(self, key: str) -> str | None:
        """The value of `key`, or None when the table answered that it has none.

        Raises `errors.TableTrouble` when it could not answer: that is a deferral, never a miss.
        """


@runtime_checkable
class ListedTable(Protocol):
    """A table that can name all that it has."""

    def entries(self) -> Iterator[tuple[str, str]]:
        """Keys and values, in the table's own order.  Raises `errors.TableTrouble`."""


def close_table(table: Table) -> None:
    """Let go of files and connections, where `table` keeps any; the next lookup would open them again."""
    close = getattr(table, "close", None)
    if close is not None:
        close()


def takes_partial_keys(table: Table) -> bool:
    """Whether `table` may be asked for a part of a key, such as a parent domain.

    Tables of patterns say no (they have a true attribute `is_pattern`): a pattern sees a key only as a whole, and does its own
    searching in it.
    """
    return not getattr(table, "is_pattern", False)


def fold_key(key: str) -> str:
    """A key as tables of fixed strings keep it: without regard to case, in any script (Unicode full case folding)."""
    return key.casefold()
