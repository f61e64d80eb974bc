"""`smtp_dns_reply_filter`: drops records from the answers of any `Resolver` (postconf(5)).

Each record is looked up as text, `owner. ttl IN TYPE data`.  The only action is IGNORE; an answer that loses all its records
is a refusal by policy, a table that cannot answer or says something else is a soft failure.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from mailrider.errors import TableTrouble
from mailrider.events import Noted, Observer, Warned, ignore_event
from mailrider.model.server import Family
from mailrider.resolver.answer import Answer, HostAddresses, Record, Resolver, Search, Verdict, combine

_NAMES = frozenset({"MX", "SRV", "CNAME", "NS", "PTR"})


class FilteringResolver:
    """A `Resolver` that passes on what the filter leaves of the answers of `inner`.

    `find` is the table lookup: the action for a text or None; it may raise `TableTrouble`.  `title` names the parameter.
    """

    def __init__(
        self,
        inner: Resolver,
        find: Callable[[str], str | None],
        *,
        title: str = "smtp_dns_reply_filter",
        observer: Observer = ignore_event,
    ) -> None:
        self._inner = inner
        self._find = find
        self._title = title
        self._observer = observer

    async def ask(self, name: str, types: tuple[str, ...], *, dnssec: bool = False, search: Search = Search.NONE) -> Answer:
        """See `answer.Resolver`."""
        # Each type stands or falls by itself.
        return combine(await asyncio.gather(*(self._ask_one(name, each, dnssec, search) for each in types)))

    async def _ask_one(self, name: str, record_type: str, dnssec: bool, search: Search) -> Answer:
        answer = await self._inner.ask(name, (record_type,), dnssec=dnssec, search=search)
        return self._filter(name, record_type, answer) if answer.verdict is Verdict.FOUND else answer

    async def ask_host(self, host: str, family: Family | None = None) -> HostAddresses:
        """See `answer.Resolver`; what did not come out of the DNS is not filtered."""
        return await self._inner.ask_host(host, family)

    def _filter(self, name: str, record_type: str, answer: Answer) -> Answer:
        """What is left of the answer to one question."""
        kept: list[Record] = []
        error = f"Error looking up name={name} type={record_type}: "
        for record in answer.records:
            text = tell_record(record)
            try:
                action = self._find(text)
            except TableTrouble as trouble:
                self._observer(Warned(str(trouble)))
                return Answer(Verdict.SOFT, reason=error + "Invalid DNS reply filter syntax")
            if action is None:
                kept.append(record)
            elif action.split(" ", 1)[0].split("\t", 1)[0].upper() == "IGNORE":
                self._observer(Noted(f"ignoring DNS RR: {text}"))
            else:
                self._observer(Warned(f'{self._title}: unknown DNS filter action: "{action}"'))
                return Answer(Verdict.SOFT, reason=error + "Invalid DNS reply filter syntax")
        if not kept:
            return Answer(Verdict.POLICY, reason=error + "DNS reply filter drops all results")
        return answer._replace(records=tuple(kept))


def tell_record(record: Record) -> str:
    """A record as text, in the form that the filter tables of Postfix are written for."""
    data = f"{record.data}." if record.type in _NAMES else record.data
    if record.type == "MX":
        data = f"{record.preference} {data}"
    elif record.type == "SRV":
        data = f"{record.preference} {record.weight} {record.port} {data}"
    return f"{record.name}. {record.ttl_seconds} IN {record.type} {data}"
