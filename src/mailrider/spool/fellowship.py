"""What processes say to each other that work on one spool at the same time.

A lease lives in the memory of a process.  Where several processes work on one spool, each leases the recipients of its own
share only (`spool.Share`).  But shares can change, and not everywhere in the same moment: settings are read anew, a table
says something else, name servers do.  So before a process hands out recipients it *claims* them; somebody whom all of them
trust knows who has claimed what, and forgets it when they are given back or when the process is dead.

Mail that one process accepts is *announced* to the others, who would find it only after a while.

`Fellowship` is what a spool needs of this; `queue.team` fills it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Protocol

from mailrider.spool.leases import LeaseBook, Spot

Candidate = tuple[float, int, int, str]
"""A recipient whose turn comes: when, the key of its message, its number, its domain."""

Hearing = Callable[[Sequence[Candidate]], None]
"""Takes recipients that another process has announced; none at all means: look at everything."""


class Fellowship(Protocol):
    """The other processes that work on the same spool.  Nothing raises: who has lost the others ends by himself."""

    def attend(self, hear: Hearing) -> None:
        """From now on tell `hear` what the others announce."""

    def announce(self, candidates: Sequence[Candidate]) -> None:
        """These have come in here."""

    async def claim(self, spots: Sequence[Spot]) -> Collection[Spot]:
        """Ask for these recipients; answers with those that another process has."""

    def give_back(self, key: int, numbers: Collection[int]) -> None:
        """These are to be had again.  What this process has not claimed is not concerned."""


class SharedLeaseBook(LeaseBook):
    """A book that tells the others who comes back."""

    __slots__ = ("_fellows",)

    def __init__(self, fellows: Fellowship) -> None:
        super().__init__()
        self._fellows = fellows

    def give_back(self, key: int, numbers: Iterable[int]) -> bool:
        """See `LeaseBook`."""
        taken = self._taken.get(key)
        if taken is None:
            return False
        leaving = taken.intersection(numbers)
        if leaving:
            self._fellows.give_back(key, leaving)
        return super().give_back(key, leaving)
