"""The stub resolver: asks recursive name servers, as libresolv does for smtp(8).

Every server is asked in turn, as often as `attempts` says.  No answer, a packet too short to be one, and the answers
SERVFAIL, REFUSED and NOTIMP all send us to the next server; when none is left the failure is soft (`Host not found, try
again`).  A format error is hard, once the question has been put again without EDNS0.  An answer that did not fit comes again
over TCP.  CNAME records are followed in the packet and over `ALIASES_LIMIT` questions.

A question ends within `timeout_seconds` x `attempts` x servers, twice that where TCP or a format error comes in.

Known faults: DNS over TLS or HTTPS is not spoken; DNSSEC is not validated here, the AD bit of the name server is
believed, so the way to it must be safe (RFC 4035 §4.9.3).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, NamedTuple

from mailrider.model.server import Family
from mailrider.resolver import packet
from mailrider.resolver.answer import Answer, HostAddresses, Search, Verdict, combine
from mailrider.resolver.exchange import Exchange, NetworkExchange, TooManyStrays
from mailrider.resolver.native import ask_native
from mailrider.resolver.packet import Reply
from mailrider.resolver.reason import (
    Failure,
    refuse_name,
    tell_failure,
    tell_loop,
    tell_malformed,
    tell_null_mx,
    tell_null_srv,
)
from mailrider.resolver.section import Ending, Reading, read_answer
from mailrider.resolver.system import NameServer, ResolverConfiguration

if TYPE_CHECKING:
    import dns.message

ALIASES_LIMIT = 10
"""Questions along one chain of CNAME records, as in Postfix."""
QUESTIONS_AT_ONCE_LIMIT = 256
"""Sockets open at a time; a default limit of 1024 descriptors must leave room for the mail."""

_NEXT_SERVER = frozenset({"SERVFAIL", "NOTIMP", "REFUSED"})


class _Missing(NamedTuple):
    """A question that has no answer, and for how long that holds."""

    failure: Failure
    ttl_seconds: int = 0


class StubResolver:
    """A `Resolver` over the name servers of `configuration`.  Belongs to one event loop."""

    def __init__(
        self,
        configuration: ResolverConfiguration,
        *,
        exchange: Exchange | None = None,
        native: Callable[[str, Family | None], Awaitable[HostAddresses]] = ask_native,
    ) -> None:
        self._configuration = configuration
        self._exchange = exchange or NetworkExchange()
        self._native = native
        self._room = asyncio.Semaphore(QUESTIONS_AT_ONCE_LIMIT)

    async def ask(self, name: str, types: tuple[str, ...], *, dnssec: bool = False, search: Search = Search.NONE) -> Answer:
        """See `answer.Resolver`.  Questions of several types are on their way at the same time."""
        if len(types) == 1:
            return await self._look_up(name, types[0], dnssec, search)
        return combine(await asyncio.gather(*(self._look_up(name, each, dnssec, search) for each in types)))

    async def ask_host(self, host: str, family: Family | None = None) -> HostAddresses:
        """See `answer.Resolver`."""
        return await self._native(host, family)

    async def _look_up(self, name: str, record_type: str, dnssec: bool, search: Search) -> Answer:
        """One question of one type, along the CNAME chain."""
        refusal = refuse_name(name)
        if refusal:
            return refusal
        ttl_seconds = packet.TTL_LIMIT_SECONDS
        warnings: tuple[str, ...] = ()
        for _ in range(ALIASES_LIMIT):
            reply = await self._ask_completed(name, record_type, dnssec, search)
            if isinstance(reply, _Missing):
                ttl_seconds = min(ttl_seconds, reply.ttl_seconds)
                return tell_failure(reply.failure, name, record_type, ttl_seconds)._replace(warnings=warnings)
            reading = read_answer(reply)
            warnings += reading.warnings
            ttl_seconds = min(ttl_seconds, reading.ttl_seconds)
            # One step that was not validated spoils all after it, so validation is not even asked for any more.
            dnssec = dnssec and (reply.authenticated or not reading.alias)
            if reading.ending is not Ending.ALIAS:
                secure = dnssec and reply.authenticated
                return _conclude(reading, name, record_type, secure, ttl_seconds)._replace(warnings=warnings)
            name = reading.alias
        answer = tell_loop(name)
        return answer._replace(warnings=warnings + answer.warnings)

    async def _ask_completed(self, name: str, record_type: str, dnssec: bool, search: Search) -> Reply | _Missing:
        """Ask for `name` and for what the search list makes of it; res_search(3) tells which failure is told."""
        dots = name.count(".")
        first: _Missing | None = None
        if dots >= self._configuration.ndots or name == ".":
            reply = await self._ask_servers(name, record_type, dnssec)
            if isinstance(reply, Reply):
                return reply
            first = reply
        failures: list[_Missing] = []
        for domain in self._search_domains(dots, search):
            reply = await self._ask_servers(f"{name}.{domain}", record_type, dnssec)
            if isinstance(reply, Reply):
                return reply
            failures.append(reply)
            if reply.failure in (Failure.TRY_AGAIN, Failure.NO_RECOVERY):
                break
        if first is None:
            reply = await self._ask_servers(name, record_type, dnssec)
            if isinstance(reply, Reply):
                return reply
            failures.append(reply)
            for failure in (Failure.NO_DATA, Failure.TRY_AGAIN):
                for missing in failures[:-1]:
                    if missing.failure is failure:
                        return missing
        return first or failures[-1]

    def _search_domains(self, dots: int, search: Search) -> tuple[str, ...]:
        """The domains that may be appended to a name with so many dots."""
        domains = self._configuration.search
        if dots and Search.DNSRCH in search:
            return domains
        if not dots and Search.DEFNAMES in search:
            return domains if Search.DNSRCH in search else domains[:1]
        return ()

    async def _ask_servers(self, name: str, record_type: str, dnssec: bool) -> Reply | _Missing:
        """Go through the servers until one of them knows."""
        if refuse_name(name):  # only a search domain makes a name too long
            return _Missing(Failure.HOST_NOT_FOUND)
        if len(name) > packet.NAME_LIMIT_CHARACTERS:
            return _Missing(Failure.NO_RECOVERY)
        async with self._room:
            for attempt in range(self._configuration.attempts):
                for server in self._configuration.nameservers:
                    # A network that drops EDNS0 would never answer; the second time round goes without.
                    edns = dnssec or attempt == 0
                    reply = await self._ask_server(server, packet.make_query(name, record_type, dnssec=dnssec, edns=edns))
                    if reply and reply.rcode == "FORMERR" and edns and not dnssec:
                        query = packet.make_query(name, record_type, dnssec=False, edns=False)
                        reply = await self._ask_server(server, query)
                    result = _judge(reply) if reply else None
                    if result:
                        return result
        return _Missing(Failure.TRY_AGAIN)

    async def _ask_server(self, server: NameServer, query: dns.message.Message) -> Reply | None:
        """Ask one server, over TCP where the datagram could not hold the answer; None where it does not answer."""
        timeout_seconds = self._configuration.timeout_seconds
        question = query.to_wire()

        def is_reply(wire: bytes) -> bool:
            # What is too short to be a packet comes from a broken server: waiting longer would not mend it.
            return len(wire) < packet.HEADER.size or packet.is_reply_to(query, wire)

        try:
            try:
                wire = await self._exchange.ask_datagram(server, question, is_reply, timeout_seconds)
            except TooManyStrays:
                wire = b""
            reply = packet.read_reply(query, wire)
            if wire and (reply is None or not reply.truncated):
                return reply
            reply = packet.read_reply(query, await self._exchange.ask_stream(server, question, timeout_seconds))
        except OSError:
            return None
        return reply if reply and not reply.truncated else None


def _judge(reply: Reply) -> Reply | _Missing | None:
    """What a packet is worth: an answer, a failure, or None for "ask the next server"."""
    if reply.rcode in _NEXT_SERVER or reply.from_nowhere:
        return None
    if reply.rcode == "NXDOMAIN":
        return _Missing(Failure.HOST_NOT_FOUND, packet.read_negative_ttl(reply))
    if reply.rcode != "NOERROR":
        return _Missing(Failure.NO_RECOVERY)
    if not reply.answers:
        return _Missing(Failure.NO_DATA, packet.read_negative_ttl(reply))
    return reply


def _conclude(reading: Reading, name: str, record_type: str, secure: bool, ttl_seconds: int) -> Answer:
    """The answer that an answer section gives; its warnings are left to the caller."""
    if reading.ending is Ending.FOUND:
        records = tuple(record._replace(secure=True) for record in reading.records) if secure else reading.records
        return Answer(Verdict.FOUND, records, ttl_seconds=ttl_seconds)
    if reading.ending is Ending.NULL_MX:
        return tell_null_mx(name, ttl_seconds)
    if reading.ending is Ending.NULL_SRV:
        return tell_null_srv(name, ttl_seconds)
    if reading.ending is Ending.INVALID:
        return tell_malformed(Verdict.INVALID, name, record_type)
    if reading.ending is Ending.UNEXPECTED:
        return tell_malformed(Verdict.NOT_FOUND, name, record_type)
    return tell_malformed(Verdict.SOFT, name, record_type)
