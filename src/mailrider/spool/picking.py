"""What a lease is asked for, and what has been chosen for it so far."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import NamedTuple

from mailrider.spool.leases import Spot
from mailrider.spool.spool import Share


class Wanted(NamedTuple):
    """What a lease is asked for; see `spool.Spool.lease`."""

    messages_limit: int
    recipients_limit: int
    passes_over: Callable[[str], bool | None] | None = None
    passes_over_sender: Callable[[str, str], bool] | None = None
    mailing_limit: int = 0
    share: Share | None = None


class Picked:
    """What has been chosen so far: `spots`, by message, `count` recipients in all; no more than `messages_limit` messages.

    `unsure` are those of whom it is not known yet whether they are ours.  `senders` remembers who has sent a message, as far as
    somebody wanted to know; `passed` counts those who were passed over for their senders.
    """

    __slots__ = ("count", "messages_limit", "passed", "senders", "spots", "unsure", "wanted")

    def __init__(self, wanted: Wanted) -> None:
        self.wanted = wanted
        self.messages_limit = wanted.messages_limit
        self.spots: dict[int, list[int]] = {}
        self.unsure: list[Spot] = []
        self.senders: dict[int, str] = {}
        self.passed = 0
        self.count = 0

    def has_room(self, key: int) -> bool:
        """Whether a recipient of this message may be added."""
        if self.count >= self.wanted.recipients_limit:
            return False
        return key in self.spots or len(self.spots) < self.messages_limit

    def add(self, key: int, number: int) -> None:
        """Choose a recipient."""
        self.spots.setdefault(key, []).append(number)
        self.count += 1

    def remove(self, spots: Collection[Spot]) -> None:
        """Do without these; the room that they took is not given to others."""
        for key in {key for key, _ in spots}:
            kept = [number for number in self.spots[key] if (key, number) not in spots]
            if kept:
                self.spots[key] = kept
            else:
                del self.spots[key]
