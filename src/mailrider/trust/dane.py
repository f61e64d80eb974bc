"""DANE for SMTP (RFC 7672): which TLSA records bind a server, and what that makes of the level.

The records are those of `_port._tcp.base`, where the base domain is the server's name: at the end of its CNAME chain if all of
the chain is validated and there are records, else as it was asked for.  Without a validated address there are no records
(unless `smtp_tls_force_insecure_host_tlsa_lookup` says otherwise), except that a host whose own name is a validated CNAME
into a zone that is not may have some.  An answer that nobody validated is no answer, and a failure is not "there are none": the
server is passed over.

`dane` gives way where there is nothing to hold a server to; `dane-only` does not.  Validation itself is the name servers'
business: their AD bit is believed, so the way to them must be safe.  `check_validation` asks once whether they validate at all
(`dnssec_probe`), at start-up where a level of the parameters needs it, else as soon as something came back unsigned, and
says so loudly where they do not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from mailrider.model.server import Server
from mailrider.model.tls import TlsLevel
from mailrider.resolver.answer import Answer, Record, Resolver, Verdict
from mailrider.tls.tlsa import Digests, Tlsa, find_fault, select
from mailrider.trust.demands import DaneDemand
from mailrider.trust.policy import CONFIGURATION_PROBLEM, NoPolicy

Warn = Callable[[str], None]

NONE_USABLE = "all TLSA records unusable"
"""The reason of a level that gives way because of records that only the handshake shows to be of no use."""


class DaneTerms(NamedTuple):
    """What the parameters say about DANE.

    `obstacle` is what in the configuration makes it impossible, with `{}` for the level (empty for nothing).
    `insecure_mx_level` is `smtp_tls_dane_insecure_mx_policy`, `force` is `smtp_tls_force_insecure_host_tlsa_lookup`, `probe`
    is `dnssec_probe`.
    """

    obstacle: str
    insecure_mx_level: TlsLevel
    force: bool
    digests: Digests
    probe: str


class Finding(NamedTuple):
    """What became of a level: another one, or the same with a demand.  `reason` is why it is not the same."""

    level: TlsLevel
    demand: DaneDemand | None = None
    reason: str = ""


class Dane:
    """Finds TLSA records for servers."""

    __slots__ = ("_probed", "_resolver", "_terms", "_warn")

    def __init__(self, resolver: Resolver, terms: DaneTerms, warn: Warn) -> None:
        self._resolver = resolver
        self._terms = terms
        self._warn = warn
        self._probed = not terms.probe

    async def find(
        self, level: TlsLevel, nexthop: str, domain: str, server: Server, exchanger: Record | None
    ) -> Finding | NoPolicy:
        """What `level`, dane or dane-only, comes to at `server`.

        `exchanger` is the best MX record of `domain`, None where there was none.
        """
        terms = self._terms
        if not server.port:
            self._warn(f'{nexthop}: the "dane" security level is invalid for delivery via unix-domain sockets')
            return CONFIGURATION_PROBLEM
        if terms.obstacle:
            self._warn(f"{nexthop}: {terms.obstacle.format(level.word)}")
            return CONFIGURATION_PROBLEM if level is TlsLevel.DANE_ONLY else Finding(TlsLevel.MAY, reason=terms.obstacle)
        insecure_mx = exchanger is not None and not exchanger.secure
        if insecure_mx:
            await self.check_validation()
            if level is TlsLevel.DANE_ONLY or terms.insecure_mx_level <= TlsLevel.MAY:
                return _give_way(level, TlsLevel.MAY, "non DNSSEC destination")
        found = await self._find_records(server)
        if found is None:
            return NoPolicy("4.7.5", f"TLSA lookup error for {server.host}:{server.port}")
        if not found.records:
            return _give_way(level, TlsLevel.MAY, "no TLSA records found")
        relay = server.relay.lower()
        usable = self._sift(found.records, f"_{server.port}._tcp.{found.base_domain}", relay)
        if usable is None:
            return _give_way(level, TlsLevel.ENCRYPT, "TLSA records unusable")
        if insecure_mx and terms.insecure_mx_level is TlsLevel.ENCRYPT:
            return _give_way(level, TlsLevel.ENCRYPT, "Verification not possible, MX RRset is insecure")
        demand = DaneDemand(usable, found.base_domain, _names(found.base_domain, domain, exchanger))
        return self._conclude(level, demand, relay, insecure_mx)

    def _conclude(self, level: TlsLevel, demand: DaneDemand, relay: str, insecure_mx: bool) -> Finding:
        if not demand.records and level is TlsLevel.DANE:
            self._warn(f"{relay}: all TLSA records unusable, fallback to unauthenticated TLS")
            # There were records, so the server is asked for by the name that they are for (RFC 7672 §8.1).
            return Finding(TlsLevel.ENCRYPT, demand, NONE_USABLE)
        if not demand.records:
            self._warn(f"{relay}: all TLSA records unusable")
        # No record is left at dane-only: the demand is made all the same, and nothing can meet it.
        return Finding(TlsLevel.HALF_DANE if insecure_mx else level, demand)

    # -- the records -----------------------------------------------------------------------------------------------

    async def _find_records(self, server: Server) -> _Records | None:
        """The validated records that bind a server; None where the DNS did not say."""
        name = server.asked_name or server.host
        canonical = server.canonical_name or name
        is_alias = canonical.casefold() != name.casefold()
        if not server.secure:
            await self.check_validation()
            if not self._terms.force:
                secure = await self._is_alias_secure(name) if is_alias else False
                if not secure:
                    return None if secure is None else _Records((), name)
        if server.secure:
            found = await self._look_up(canonical, server.port)
            if found is None or found.records or not is_alias:
                return found
        return await self._look_up(name, server.port)

    async def _is_alias_secure(self, name: str) -> bool | None:
        """Whether the CNAME record of `name` is validated; None where the DNS did not say."""
        answer = await self._resolver.ask(name, ("CNAME",), dnssec=True)
        if answer.verdict is Verdict.FOUND:
            return answer.records[0].secure
        reason = "no longer a CNAME" if answer.verdict is Verdict.NOT_FOUND else answer.reason
        self._warn(f"DNSSEC status lookup error for {name}: {reason}")
        return None

    async def _look_up(self, base_domain: str, port: int) -> _Records | None:
        answer: Answer = await self._resolver.ask(f"_{port}._tcp.{base_domain}", ("TLSA",), dnssec=True)
        if answer.verdict is Verdict.NOT_FOUND:
            return _Records((), base_domain)
        if answer.verdict is not Verdict.FOUND:
            self._warn(f"DANE TLSA lookup problem: {answer.reason}")
            return None
        if not answer.records[0].secure:
            await self.check_validation()
            return _Records((), base_domain)
        return _Records(answer.records, base_domain)

    def _sift(self, records: tuple[Record, ...], owner: str, relay: str) -> tuple[Tlsa, ...] | None:
        """The records that count.

        None where none is of a kind that SMTP uses; empty where some are and none of those can be read or has a known digest.
        """
        usable: list[Tlsa] = []
        any_fits = False
        for record in records:
            parsed = parse_record(record.data)
            if parsed is None:
                self._warn(f"{owner}: truncated TLSA RR")
                continue
            fault = find_fault(parsed, self._terms.digests)
            any_fits = any_fits or fault in ("", "unusable TLSA RR")
            if fault:
                # What smtp(8) finds out in the handshake only, it says of the server.
                self._warn(f"{relay}: {fault}: {parsed}" if fault == "unusable TLSA RR" else f"{owner} {fault}: {parsed}")
            else:
                usable.append(parsed)
        return select(usable, self._terms.digests) if any_fits else None

    # -- the self-test ---------------------------------------------------------------------------------------------

    @property
    def can_ask(self) -> bool:
        """The configuration leaves a way to validated answers, and nobody has asked yet whether there are any."""
        return not self._probed and not self._terms.obstacle

    async def check_validation(self) -> bool:
        """Ask, the first time, whether the name servers validate anything at all; True if they do or were asked before."""
        if self._probed:
            return True
        self._probed = True
        kind, colon, name = self._terms.probe.partition(":")
        if not colon or not name:
            self._warn(f"malformed dnssec_probe value: {self._terms.probe} format is qtype:qname")
            return False
        answer = await self._resolver.ask(name, (kind.upper(),), dnssec=True)
        if answer.verdict is Verdict.FOUND and answer.records[0].secure:
            return True
        self._warn("DNSSEC validation may be unavailable")
        what = f"dnssec_probe '{self._terms.probe}' received"
        if answer.verdict in (Verdict.FOUND, Verdict.NOT_FOUND):
            self._warn(f"reason: {what} a response that is not DNSSEC validated")
        else:
            self._warn(f"reason: {what} no response: {answer.reason}")
        return False


class _Records(NamedTuple):
    """Validated records, maybe none, and the domain under which they were asked for."""

    records: tuple[Record, ...]
    base_domain: str


def parse_record(text: str) -> Tlsa | None:
    """Read `usage selector matching-type hex`; None for a record that holds nothing."""
    parts = text.split()
    if len(parts) != 4:
        return None
    try:
        usage, selector, matching = (int(part) for part in parts[:3])
        return Tlsa(usage, selector, matching, bytes.fromhex(parts[3]))
    except ValueError:
        return None


def _names(base_domain: str, domain: str, exchanger: Record | None) -> tuple[str, ...]:
    """The names that a certificate may have: the base domain, and the mail domain before and after its CNAME chain."""
    names = [base_domain]
    if exchanger is not None:
        names += [exchanger.name, domain]
    return tuple(dict.fromkeys(names))


def _give_way(level: TlsLevel, other: TlsLevel, reason: str) -> Finding | NoPolicy:
    """`dane` becomes `other`; `dane-only` cannot."""
    return NoPolicy("4.7.5", reason) if level is TlsLevel.DANE_ONLY else Finding(other, reason=reason)
