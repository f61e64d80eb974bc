"""The engine that decides what a server must prove.

Asked before each connection: `decide` for one server of a destination.  Where no table and no DNS has a say it answers at
once and costs microseconds; the DNS is asked by DANE and for MTA-STS, and keeps its answers itself.

Who is heard, in this order: an entry of a policy table or a site table, which is the operator's last word; DANE, where the
level is dane and the server has usable records; the MTA-STS policy of the domain, where that is asked for
(`smtp_tls_mta_sts`) and the level is none of those that prove more (RFC 8461 §2); the level of the parameters.  A DANE
demand that MX records without signature have led to holds together with the MX patterns of an MTA-STS policy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from mailrider.model.server import Server
from mailrider.model.tls import TlsLevel
from mailrider.resolver.answer import Record
from mailrider.tls.terms import TlsTerms
from mailrider.trust.dane import Dane
from mailrider.trust.demands import DaneDemand, Demands, Place, holds_to_patterns, make_terms
from mailrider.trust.entry import Entry
from mailrider.trust.mta_sts_finder import StsPolicies
from mailrider.trust.mta_sts_ruling import describe_finding, make_ruling
from mailrider.trust.policy import NoPolicy, Policy, Source, SourceKind
from mailrider.trust.sources import Ruling, Table, find_in_policy_table, find_in_site_table

Warn = Callable[[str], None]

NO_TLS = Policy(TlsLevel.NONE, Source(SourceKind.SETTING, "smtp_tls_security_level"))
"""The policy of a site that has set nothing."""

IN_CLEAR = Policy(TlsLevel.NONE, Source(SourceKind.FALLBACK, "TLS has failed"))
"""For a second try at a server with which TLS has failed, where the level allows that."""

NOT_OVER_UNIX = replace(IN_CLEAR, requested=TlsLevel.MAY)
"""Level may is nothing for a socket of this host."""


_BELOW_STS = frozenset({TlsLevel.NONE, TlsLevel.MAY, TlsLevel.ENCRYPT, TlsLevel.HALF_DANE, TlsLevel.VERIFY})
"""Levels that prove less than an MTA-STS policy, or something else."""


TERMS_LIMIT = 1000
"""Servers whose terms are remembered, about 1 kB each."""


class Tables(NamedTuple):
    """The tables of a transport; None where there is none.  The second counts only without the first."""

    policies: Table | None = None
    sites: Table | None = None


class TrustEngine:
    """What servers must prove to one transport."""

    __slots__ = ("_dane", "_demands", "_known", "_plain", "_sts", "_tables", "_warn")

    def __init__(self, demands: Demands, tables: Tables, dane: Dane, warn: Warn, sts: StsPolicies | None = None) -> None:
        self._demands = demands
        self._known: dict[tuple[TlsLevel, Place, DaneDemand | None], TlsTerms] = {}
        self._sts = sts
        self._tables = tables
        self._dane = dane
        self._warn = warn
        title, text = demands.level_source
        source = Source(SourceKind.SETTING, title, text=text)
        nothing = demands.level is TlsLevel.NONE and tables == (None, None) and sts is None
        self._plain = Policy(TlsLevel.NONE, source) if nothing else None

    @property
    def plain(self) -> Policy | None:
        """The one policy of a transport that never uses TLS, whatever the server; None where there is more to it."""
        return self._plain

    @property
    def needs_validation(self) -> bool:
        """The level of the parameters rests on validated answers, and whether there are any is not known yet."""
        return self._demands.level.uses_dane and self._dane.can_ask

    async def check_validation(self) -> None:
        """The self-test of start-up: say so where the name servers do not do what the level needs (`dnssec_probe`)."""
        if self.needs_validation and not await self._dane.check_validation():
            title, text = self._demands.level_source
            what = "no mail is delivered" if text == TlsLevel.DANE_ONLY.word else "no server is held to its TLSA records"
            self._warn(f"{title} = {text}: {what} while the name servers do not validate")

    async def decide(
        self, nexthop: str, domain: str, server: Server, exchanger: Record | None
    ) -> Policy | NoPolicy:
        """What `server` must prove.

        `nexthop` is the destination as it was written, `domain` the same without brackets and port, `exchanger` its best MX
        record.  Warnings have been told before a `NoPolicy` comes back.
        """
        if self._plain is not None:
            return self._plain
        ruling = self._find_ruling(nexthop, server)
        if isinstance(ruling, NoPolicy):
            return ruling
        wanted = ruling.entry.level if ruling is not None else self._demands.level
        level, reason = wanted, ""
        demand: DaneDemand | None = None
        if wanted.uses_dane:
            finding = await self._dane.find(wanted, nexthop, domain, server, exchanger)
            if isinstance(finding, NoPolicy):
                return finding
            level, demand, reason = finding
        place = Place(nexthop, domain, server.host, server.relay)
        if self._sts is not None and ruling is None and level in _BELOW_STS and server.port:
            return await self._decide_with_sts(self._sts, level, place, demand, reason)
        return self._make(level, ruling, place, demand, wanted if wanted is not level else None, reason)

    async def _decide_with_sts(
        self, sts: StsPolicies, level: TlsLevel, place: Place, demand: DaneDemand | None, reason: str
    ) -> Policy | NoPolicy:
        """What a published policy makes of a level that the parameters and the DNS came to."""
        found = await sts.find(place.nexthop, place.domain)
        wanted = self._demands.level
        ruling = make_ruling(found, place.host) if found is not None and level is not TlsLevel.HALF_DANE else None
        if ruling is not None:
            level, demand, reason = ruling.entry.level, None, "MTA-STS policy in mode enforce"
        elif found is not None and found.policy is not None and level in (TlsLevel.MAY, TlsLevel.ENCRYPT):
            title, text = self._demands.level_source  # reports tell what would have become of it, so authorities are needed
            ruling = Ruling(Entry(level, public=True), Source(SourceKind.SETTING, title, text=text))
        policy = self._make(level, ruling, place, demand, wanted if wanted is not level else None, reason)
        if found is None or isinstance(policy, NoPolicy):
            return policy
        external = describe_finding(found)
        enforced = external.mx_patterns if found.enforced else ()
        return replace(policy, external=external, mx_patterns=enforced)

    def relax(self, nexthop: str, domain: str, server: Server, *, wrapper: bool) -> Policy | NoPolicy:
        """For mail that says `TLS-Required: no`: the level of the parameters, but no more than may (RFC 8689 §4.2).

        With a `wrapper` there is no conversation in clear, so it is encrypt.
        """
        wanted = self._demands.level
        level = min(wanted, TlsLevel.ENCRYPT if wrapper else TlsLevel.MAY)
        ruling = Ruling(Entry(level), Source(SourceKind.MESSAGE, "TLS-Required", text="no"))
        place = Place(nexthop, domain, server.host, server.relay)
        return self._make(level, ruling, place, None, wanted if wanted is not level else None, "")

    async def close(self) -> None:
        """Give up what is still being asked for."""
        if self._sts is not None:
            await self._sts.close()

    def _make_terms(
        self, level: TlsLevel, entry: Entry | None, place: Place, demand: DaneDemand | None
    ) -> TlsTerms | NoPolicy:
        """`make_terms`; what the parameters alone say of a server is remembered, since every message asks for it."""
        key = (level, place, demand)
        known = self._known.get(key) if entry is None else None
        if known is not None:
            return known
        terms = make_terms(self._demands, level, entry, place, demand, self._warn)
        if entry is None and isinstance(terms, TlsTerms):
            if len(self._known) >= TERMS_LIMIT:
                self._known.clear()
            self._known[key] = terms
        return terms

    def _find_ruling(self, nexthop: str, server: Server) -> Ruling | NoPolicy | None:
        policies, sites = self._tables
        if policies is not None:
            return find_in_policy_table(policies, nexthop, self._warn)
        if sites is not None:
            return find_in_site_table(sites, nexthop, server.host, self._demands.level, self._warn)
        return None

    def _make(
        self,
        level: TlsLevel,
        ruling: Ruling | None,
        place: Place,
        demand: DaneDemand | None,
        requested: TlsLevel | None,
        reason: str,
    ) -> Policy | NoPolicy:
        demands, entry = self._demands, ruling.entry if ruling is not None else None
        title, text = demands.level_source
        source = ruling.source if ruling is not None else Source(SourceKind.SETTING, title, text=text)
        if level is TlsLevel.NONE:
            return Policy(level, source, requested=requested, reason=reason)
        terms = self._make_terms(level, entry, place, demand)
        if isinstance(terms, NoPolicy):
            return terms
        external = entry.external if entry is not None else None
        held = entry is not None and holds_to_patterns(demands, entry)
        return Policy(
            level,
            source,
            terms,
            requested=requested,
            reason=reason,
            reuse=entry.reuse if entry is not None and entry.reuse is not None else demands.reuse,
            mx_patterns=external.mx_patterns if external is not None and held else (),
            external=external,
        )
