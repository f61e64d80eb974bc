"""A resolver that remembers what it was asked and what came back, for those who want to see on what a decision rests."""

from __future__ import annotations

from typing import NamedTuple

from mailrider.model.server import Family
from mailrider.resolver.answer import Answer, HostAddresses, Resolver, Search

QUESTIONS_LIMIT = 1000
"""Questions that are remembered; a destination with five servers brings about thirty."""


class Asked(NamedTuple):
    """One question and its answer.  `dnssec`: it was asked whether the answer is validated."""

    name: str
    types: tuple[str, ...]
    dnssec: bool
    answer: Answer


class RecordingResolver:
    """Passes every question on.  `asked` holds each different one once, in the order of the answers."""

    __slots__ = ("_resolver", "asked")

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self.asked: list[Asked] = []

    async def ask(self, name: str, types: tuple[str, ...], *, dnssec: bool = False, search: Search = Search.NONE) -> Answer:
        """See `Resolver`."""
        answer = await self._resolver.ask(name, types, dnssec=dnssec, search=search)
        asked = Asked(name, types, dnssec, answer)
        if asked not in self.asked and len(self.asked) < QUESTIONS_LIMIT:
            self.asked.append(asked)
        return answer

    async def ask_host(self, host: str, family: Family | None = None) -> HostAddresses:
        """See `Resolver`."""
        return await self._resolver.ask_host(host, family)
