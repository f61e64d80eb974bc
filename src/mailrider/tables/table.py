"""The interface of every lookup table."""

from __future__ import annotations

from typing import Protocol


class Table(Protocol):
    """One `type:name`.  Lookups are synchronous here: these tables are in memory or in a local file."""

    @property
    def title(self) -> str:
        """`type:name`, for messages."""

    def find(self, key: str) -> str | None:
        """The value of `key`, or None when the table answered that it has none.

        Raises `errors.TableTrouble` when it could not answer: that is a deferral, never a miss.
        """
