"""Which recipients are leased by this process.  Nothing of it is written down: it ends with the process."""

from __future__ import annotations

import heapq
from collections.abc import Iterable

Spot = tuple[int, int]
"""A recipient: the key of its message and its number."""


class LeaseBook:
    """Who is out, and who is kept out until a time."""

    __slots__ = ("_later", "_taken")

    def __init__(self) -> None:
        self._taken: dict[int, set[int]] = {}
        self._later: list[tuple[float, int, int]] = []

    def take(self, key: int, number: int) -> bool:
        """Lease a recipient; False where it is leased already."""
        numbers = self._taken.get(key)
        if numbers is None:
            self._taken[key] = {number}
            return True
        if number in numbers:
            return False
        numbers.add(number)
        return True

    def has(self, key: int, number: int) -> bool:
        """Whether a recipient is leased."""
        taken = self._taken.get(key)
        return taken is not None and number in taken

    def count(self, key: int) -> int:
        """How many recipients of a message are leased."""
        taken = self._taken.get(key)
        return len(taken) if taken is not None else 0

    def give_back(self, key: int, numbers: Iterable[int]) -> bool:
        """End the lease of these recipients; whether there was any."""
        taken = self._taken.get(key)
        if taken is None:
            return False
        before = len(taken)
        taken = taken.difference(numbers)
        if taken:
            self._taken[key] = taken
        else:
            del self._taken[key]
        return len(taken) < before

    def forgo(self, key: int, numbers: Iterable[int]) -> None:
        """End the lease of these recipients, who were never handed out; nobody has to hear of it."""
        LeaseBook.give_back(self, key, numbers)

    def keep_out(self, key: int, numbers: Iterable[int], until_seconds: float) -> None:
        """Do not hand out these recipients, which are leased, before a time: it could not be written down."""
        for number in numbers:
            heapq.heappush(self._later, (until_seconds, key, number))

    def let_in(self, now_seconds: float) -> bool:
        """End what `keep_out` began and whose time has come; whether there was any."""
        found = False
        while self._later and self._later[0][0] <= now_seconds:
            _, key, number = heapq.heappop(self._later)
            found |= self.give_back(key, (number,))
        return found

    def next_in_seconds(self) -> float | None:
        """When `let_in` will find the next one."""
        return self._later[0][0] if self._later else None
