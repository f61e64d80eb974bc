"""From one destination to the servers that are tried for it, in order: MX, SRV and address records (RFC 5321 §5.1).

`find_servers` asks, decides and sends nothing.  What the DNS says is a value: `Found`, or `NotFound` with the status code
and the text that smtp(8) would give.  Of several failures the text is that of the last one; the code is soft as soon as one
of them was.

Known faults: addresses that belong to us are only looked for at port 25, and never for LMTP.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from mailrider.events import Noted, Observer, Warned, ignore_event
from mailrider.model import status as codes
from mailrider.model.request import Transport
from mailrider.model.server import Family, Server
from mailrider.resolver.answer import RECORDS_LIMIT, Answer, Record, Resolver, Search, Verdict
from mailrider.resolver.hostname import canonical_address, family_of, is_valid_address, to_ascii
from mailrider.route import ordering
from mailrider.route.nexthop import Destination
from mailrider.route.policy import LOOP_PORT, DnsSupport, RoutePolicy


class Found(NamedTuple):
    """The servers in the order in which they are tried, at least one.

    `exchanger_is_self`: this host is an exchanger of the destination too, a worse one; fallback relays are not used then.
    `exchanger` is the best MX or SRV record, None where there was none: DANE wants its name and whether it was validated.
    """

    servers: tuple[Server, ...]
    exchanger_is_self: bool = False
    exchanger: Record | None = None

    @property
    def best_preference(self) -> int:
        """The preference of the servers that are as good as any."""
        return self.servers[0].preference


class NotFound(NamedTuple):
    """No server can be tried, and why: the enhanced status code and the text."""

    status: str
    text: str
    exchanger_is_self: bool = False

    @property
    def loop(self) -> bool:
        """No other destination may be tried: the mail comes back to us, or might from there.

        `best_mx_transport` is for those with the status x.4.6 only.
        """
        return self.exchanger_is_self or self.status[1:] == codes.LOOP[1:]


async def find_servers(
    destination: Destination, resolver: Resolver, policy: RoutePolicy, observer: Observer = ignore_event
) -> Found | NotFound:
    """Find the servers of `destination`.

    Warnings go to `observer`.  A UNIX-domain socket is its own server.
    """
    if destination.path:
        return Found((Server(policy.my_hostname, destination.path, 0, Family.UNIX),))
    if not policy.families:
        return NotFound(codes.ROUTE_SOFT, "all network protocols are disabled")
    lookup = _Lookup(destination, resolver, policy, observer)
    as_it_is = destination.bracketed or policy.dns is DnsSupport.DISABLED
    if not as_it_is and policy.uses_service_records(destination.service):
        return await lookup.find_by_services()
    if not as_it_is and policy.transport is Transport.SMTP:
        return await lookup.find_by_exchangers()
    return await lookup.find_by_host()


class _Lookup:
    """The search for the servers of one destination, and what went wrong in it so far."""

    def __init__(self, destination: Destination, resolver: Resolver, policy: RoutePolicy, observer: Observer) -> None:
        self.destination = destination
        self.resolver = resolver
        self.policy = policy
        self.observer = observer
        self.code = ""
        self.text = ""
        self.checks_loops = policy.transport is Transport.SMTP and destination.port == LOOP_PORT
        self.host = to_ascii(destination.host, idna2003=policy.idna2003) or destination.host

    async def ask(self, name: str, types: tuple[str, ...], *, dnssec: bool, search: Search = Search.NONE) -> Answer:
        """Put one question and pass its warnings on."""
        answer = await self.resolver.ask(name, types, dnssec=dnssec, search=search)
        for warning in answer.warnings:
            self.observer(Warned(warning))
        return answer

    def fail(self, code: str, text: str) -> None:
        """Remember a failure; the last one counts."""
        self.code, self.text = code, text

    def not_found(self, *, exchanger_is_self: bool = False) -> NotFound:
        """The end of a search without servers."""
        return NotFound(self.code, self.text, exchanger_is_self)

    # MX records

    async def find_by_exchangers(self) -> Found | NotFound:
        """A mail domain: its exchangers, or the domain itself where it names none."""
        self.fail("", "")
        answer = await self.ask(self.host, ("MX",), dnssec=self.policy.dns is DnsSupport.DNSSEC)
        if answer.verdict is Verdict.FOUND:
            return await self.use_exchangers(ordering.sort_exchangers(answer.records))
        if answer.verdict is Verdict.NOT_FOUND:
            return await self.find_by_host()
        self.fail(_LOOKUP_CODES[answer.verdict], answer.reason)
        if self.policy.ignore_mx_lookup_error and answer.verdict in _IGNORABLE:
            return await self.find_by_host()
        return self.not_found()

    async def use_exchangers(self, exchangers: Sequence[Record]) -> Found | NotFound:
        """The addresses of the exchangers, without ourselves and what is no better."""
        servers = await self.find_addresses(exchangers)
        domain = self.destination.host
        if not servers:
            if self.policy.defer_if_no_mx_address:
                self.code = codes.soften(self.code)
            self.observer(Warned(f"no MX host for {domain} has a valid address record"))
            return self.not_found()
        servers, exchanger_is_self = self.cut_at_self(servers, exchangers[0].preference, domain)
        if not servers:
            return self.not_found(exchanger_is_self=exchanger_is_self)
        return Found(tuple(self.arrange(servers)), exchanger_is_self, exchangers[0])

    def cut_at_self(self, servers: list[Server], best: int, name: str) -> tuple[list[Server], bool]:
        """The servers that are better than this host, and whether this host is one of them."""
        own = ordering.find_own(servers, self.policy.own_addresses) if self.checks_loops else None
        if own is None:
            return servers, False
        better = ordering.cut_before(servers, own.preference)
        if not better and servers[0].preference != best:
            self.fail(codes.ROUTE_SOFT, f"unable to find primary relay for {name}")
        elif not better:
            self.fail(codes.LOOP, f"mail for {name} loops back to myself")
        return better, True

    def arrange(self, servers: list[Server]) -> list[Server]:
        """The order in which exchangers, or the addresses of one host, are tried."""
        if len(servers) < 2:
            return servers
        if self.policy.randomize:
            servers = ordering.shuffle(servers, self.policy.chance)
        return self.balance(ordering.sort_by_preference(servers, self.policy.first_family))

    def balance(self, servers: list[Server]) -> list[Server]:
        """Leave room for both families where only so many addresses are tried."""
        if self.policy.address_limit > 0 and self.policy.balance:
            return ordering.balance_families(servers, self.policy.address_limit)
        return servers

    # One host

    async def find_by_host(self) -> Found | NotFound:
        """A host as it is: all of its addresses, or none if one of them is ours."""
        self.fail("", "")
        servers = await self.find_addresses([Record("", "", self.host)], dnssec=self.policy.dns is DnsSupport.DNSSEC)
        if not servers:
            return self.not_found()
        if self.checks_loops and ordering.find_own(servers, self.policy.own_addresses):
            return NotFound(codes.LOOP, f"mail for {self.destination.host} loops back to myself")
        return Found(tuple(self.arrange(servers)))

    # SRV records

    async def find_by_services(self) -> Found | NotFound:
        """A service of a domain, else what a destination without SRV records gets, where that is allowed."""
        name = f"_{self.destination.service}._tcp.{self.destination.host}"
        asked = to_ascii(name, idna2003=self.policy.idna2003) or name
        answer = await self.ask(asked, ("SRV",), dnssec=self.policy.dns is DnsSupport.DNSSEC)
        fall_back = self.policy.allow_srv_lookup_fallback
        result: Found | NotFound
        if answer.verdict is Verdict.FOUND:
            result = await self.use_services(ordering.sort_services(answer.records, self.policy.chance), name)
        else:
            self.fail(_LOOKUP_CODES[answer.verdict], answer.reason)
            fall_back = fall_back or (self.policy.ignore_srv_lookup_error and answer.verdict in _IGNORABLE)
            result = self.not_found()
        if isinstance(result, Found) or not fall_back:
            return result
        self.observer(Noted(f"skipping SRV lookup for {name}: {result.text}"))
        if self.policy.transport is Transport.SMTP:
            return await self.find_by_exchangers()
        return await self.find_by_host()

    async def use_services(self, services: Sequence[Record], name: str) -> Found | NotFound:
        """The addresses of the servers of a service, in the order of the records: no shuffling, no preferred family."""
        servers = await self.find_addresses(services)
        if not servers:
            self.observer(Warned(f"no SRV host for {name} has a valid address record"))
            return self.not_found()
        servers, exchanger_is_self = self.cut_at_self(servers, services[0].preference, name)
        if not servers:
            return self.not_found(exchanger_is_self=exchanger_is_self)
        return Found(tuple(self.balance(servers)), exchanger_is_self, services[0])

    # Addresses

    async def find_addresses(self, hosts: Sequence[Record], *, dnssec: bool | None = None) -> list[Server]:
        """The addresses of all `hosts` (the targets of MX or SRV records), in their order, up to `RECORDS_LIMIT`.

        Hosts without an address are left out; what went wrong is remembered.  The questions are on their way together.
        """
        if dnssec is None:
            dnssec = hosts[0].secure or self.policy.validate_all_hosts
        if len(hosts) == 1:
            answers = [await self.ask_addresses(hosts[0].data, dnssec)]
        else:
            answers = await asyncio.gather(*(self.ask_addresses(host.data, dnssec) for host in hosts))
        servers: list[Server] = []
        for host, answer in zip(hosts, answers, strict=True):
            servers += await self.take_addresses(host, answer)
            if len(servers) >= RECORDS_LIMIT:
                break
        return servers[:RECORDS_LIMIT]

    def is_usable_address(self, host: str) -> bool:
        """True for a numeric host of a family in use: it needs no question."""
        return is_valid_address(host) and family_of(host) in self.policy.families

    async def ask_addresses(self, host: str, dnssec: bool) -> Answer | None:
        """Ask the DNS for the addresses of one host, if it is to be asked at all."""
        if not self.policy.host_dns or self.is_usable_address(host):
            return None
        return await self.ask(host, self.policy.record_types, dnssec=dnssec, search=self.policy.search)

    async def take_addresses(self, host: Record, answer: Answer | None) -> list[Server]:
        """The servers that one host brings; where it brings none, the failure is remembered."""
        port = host.port or self.destination.port
        if self.is_usable_address(host.data):
            return [Server(host.data, canonical_address(host.data), port, family_of(host.data), host.preference)]
        if answer is not None and answer.verdict is Verdict.FOUND:
            return [self.make_server(host, port, record) for record in answer.records]
        if answer is not None:
            self.fail(self.code_of(answer.verdict), answer.reason)
            if answer.verdict is not Verdict.NOT_FOUND:
                return []
        return await self.ask_natively(host, port) if self.policy.host_native else []

    def make_server(self, host: Record, port: int, record: Record) -> Server:
        """A server out of an address record."""
        name = record.name if self.policy.cname_overrides_servername else host.data
        family = Family.IPV6 if record.type == "AAAA" else Family.IPV4
        return Server(name, record.data, port, family, host.preference, record.secure, host.data, record.name)

    def code_of(self, verdict: Verdict) -> str:
        """The status of an address lookup: a soft failure before it keeps it soft."""
        if verdict is Verdict.POLICY:
            return codes.DNS_POLICY
        soft = codes.is_soft(self.code)
        if verdict is Verdict.HARD:
            return codes.DNS_SOFT if soft else codes.DNS_HARD
        if verdict in (Verdict.INVALID, Verdict.NOT_FOUND):
            return codes.ROUTE_SOFT if soft else codes.ROUTE_HARD
        return codes.DNS_SOFT

    async def ask_natively(self, host: Record, port: int) -> list[Server]:
        """The addresses of one host as the system knows them (`smtp_host_lookup = native`)."""
        found = await self.resolver.ask_host(host.data, self.policy.only_family)
        soft = codes.is_soft(self.code)
        if found.error is not None:
            code = codes.ROUTE_HARD if found.not_found else codes.NATIVE_LOOKUP_HARD
            if soft or found.retry:
                code = codes.soften(code)
            self.fail(code, f"unable to look up host {host.data}: {found.error}")
            return []
        servers = [
            Server(host.data, canonical_address(address), port, family_of(address), host.preference)
            for address in found.addresses
            if family_of(address) in self.policy.families
        ]
        if not servers:
            self.fail(codes.ROUTE_SOFT if soft else codes.ROUTE_HARD, f"{host.data}: host not found")
        return servers


_LOOKUP_CODES = {
    Verdict.SOFT: codes.DNS_SOFT,
    Verdict.INVALID: codes.ROUTE_HARD,
    Verdict.NULL_MX: codes.NULL_MX,
    Verdict.NULL_SRV: codes.NULL_MX,
    Verdict.POLICY: codes.DNS_POLICY,
    Verdict.HARD: codes.DNS_HARD,
    Verdict.NOT_FOUND: codes.ROUTE_HARD,
}
"""The status of an MX or SRV question that brought no records."""

_IGNORABLE = frozenset({Verdict.SOFT, Verdict.INVALID, Verdict.HARD})
"""What `ignore_mx_lookup_error` and `ignore_srv_lookup_error` make light of."""
