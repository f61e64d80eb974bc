"""Remembers answers for as long as their TTL allows, in front of any `Resolver`.

What is remembered is the answer to one call, for one type of record or several.  "Not found" is remembered too (RFC 2308);
failures are not, and neither is an answer of which a part failed.  A question that is on its way already is not sent again:
all who ask wait for the one answer.  Names in other letters (`Example.test`) are other questions, because an answer repeats
the name as it was asked.  Answers of the native name service are not remembered, since they have no TTL.

A caller that is cancelled does not break off the question: it goes on for the others and for the memory.

Known fault: `ttl_seconds` of a remembered record is what it was when it came.
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from mailrider.clock import Clock
from mailrider.model.server import Family
from mailrider.resolver.answer import Answer, HostAddresses, Resolver, Search, Verdict

ENTRIES_LIMIT = 10_000
"""Answers remembered; about 10 MB.  The oldest gives way."""
FOUND_LIMIT_SECONDS = 3600
"""The name server next door remembers longer; asking it again is cheap, and a moved mail host is seen within the hour."""
NOT_FOUND_LIMIT_SECONDS = 60
"""A domain that has just been set up should not wait for us (RFC 2308 §5 allows hours)."""

_NEGATIVE = frozenset({Verdict.NOT_FOUND, Verdict.NULL_MX, Verdict.NULL_SRV})


class _Question(NamedTuple):
    name: str
    types: tuple[str, ...]
    dnssec: bool
    search: Search


class _Entry(NamedTuple):
    answer: Answer
    expires_seconds: float


class CachingResolver:
    """A `Resolver` that asks `inner` only for what it does not remember.  Belongs to one event loop."""

    def __init__(self, inner: Resolver, clock: Clock, *, entries_limit: int = ENTRIES_LIMIT) -> None:
        self._inner = inner
        self._clock = clock
        self._entries_limit = entries_limit
        self._entries: dict[_Question, _Entry] = {}
        self._asking: dict[_Question, asyncio.Task[Answer]] = {}

    async def ask(self, name: str, types: tuple[str, ...], *, dnssec: bool = False, search: Search = Search.NONE) -> Answer:
        """See `answer.Resolver`."""
        question = _Question(name, types, dnssec, search)
        entry = self._entries.get(question)
        if entry is not None and entry.expires_seconds > self._clock.monotonic_seconds():
            return entry.answer
        return await asyncio.shield(self._asking.get(question) or self._start(question))

    async def ask_host(self, host: str, family: Family | None = None) -> HostAddresses:
        """See `answer.Resolver`."""
        return await self._inner.ask_host(host, family)

    def forget(self) -> None:
        """Empty the memory; questions on their way go on."""
        self._entries.clear()

    async def close(self) -> None:
        """Break off all questions on their way."""
        tasks = list(self._asking.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _start(self, question: _Question) -> asyncio.Task[Answer]:
        """Put one question to `inner`."""
        task = asyncio.get_running_loop().create_task(self._ask_inner(question))
        self._asking[question] = task
        task.add_done_callback(lambda _: self._asking.pop(question, None))
        return task

    async def _ask_inner(self, question: _Question) -> Answer:
        answer = await self._inner.ask(question.name, question.types, dnssec=question.dnssec, search=question.search)
        self._remember(question, answer)
        return answer

    def _remember(self, question: _Question, answer: Answer) -> None:
        """Keep what may be kept."""
        if answer.verdict is Verdict.FOUND:
            ttl_seconds = min(answer.ttl_seconds, FOUND_LIMIT_SECONDS)
        elif answer.verdict in _NEGATIVE:
            ttl_seconds = min(answer.ttl_seconds, NOT_FOUND_LIMIT_SECONDS)
        else:
            ttl_seconds = 0
        self._entries.pop(question, None)
        if ttl_seconds <= 0:
            return
        while len(self._entries) >= self._entries_limit:
            del self._entries[next(iter(self._entries))]
        self._entries[question] = _Entry(answer, self._clock.monotonic_seconds() + ttl_seconds)
