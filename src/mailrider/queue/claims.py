"""Who works on which recipient, among the workers of a node.  A decision object: `queue.team` asks it.

Claims and what is given back come from each worker in the order in which it said so.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

Spot = tuple[int, int]
"""A recipient: the key of its message and its number."""


class Claims:
    """All claims of all workers."""

    __slots__ = ("_holders",)

    def __init__(self) -> None:
        self._holders: dict[Spot, int] = {}

    def __len__(self) -> int:
        return len(self._holders)

    def claim(self, worker: int, spots: Iterable[Spot]) -> list[Spot]:
        """Give these to a worker; those that another one has are left to that one, and answered."""
        holders = self._holders
        return [spot for spot in spots if holders.setdefault(spot, worker) != worker]

    def give_back(self, worker: int, spots: Iterable[Spot]) -> None:
        """A worker does without these.  What it does not hold is not concerned."""
        holders = self._holders
        for spot in spots:
            if holders.get(spot) == worker:
                del holders[spot]

    def bury(self, worker: int) -> Sequence[Spot]:
        """A worker is dead; what it held."""
        left = [spot for spot, holder in self._holders.items() if holder == worker]
        for spot in left:
            del self._holders[spot]
        return left
