"""Which exchangers a destination names, as a set: for those who ask which destinations share their servers.

A set needs no addresses, and the question is the one that `exchangers` will put anyway, so that its answer is remembered.
Names are compared as DNS does, without regard to case.  Whoever is reached without MX records (brackets, a UNIX-domain
socket, SRV records, LMTP, no DNS), who has none, and who has a list of next hops, has no set.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from mailrider.model.request import Transport
from mailrider.resolver.answer import Resolver, Verdict
from mailrider.resolver.hostname import to_ascii
from mailrider.route.nexthop import Destination
from mailrider.route.policy import DnsSupport, RoutePolicy


class ExchangerSet(NamedTuple):
    """The names, sorted, and the port at which they are spoken to."""

    names: tuple[str, ...]
    port: int

    def __str__(self) -> str:
        return f"{','.join(self.names)}:{self.port}"


class Unknown(NamedTuple):
    """It could not be found out now, and why."""

    reason: str


async def find_exchanger_set(
    destinations: Sequence[Destination], resolver: Resolver, policy: RoutePolicy
) -> ExchangerSet | Unknown | None:
    """The set of a next hop; None where it has none."""
    if len(destinations) != 1 or policy.transport is not Transport.SMTP or policy.dns is DnsSupport.DISABLED:
        return None
    destination = destinations[0]
    if destination.path or destination.bracketed or policy.uses_service_records(destination.service):
        return None
    host = to_ascii(destination.host, idna2003=policy.idna2003) or destination.host
    answer = await resolver.ask(host, ("MX",), dnssec=policy.dns is DnsSupport.DNSSEC)
    if answer.verdict is Verdict.FOUND:
        names = sorted({record.data.lower().removesuffix(".") for record in answer.records})
        return ExchangerSet(tuple(names), destination.port)
    return Unknown(answer.reason) if answer.verdict is Verdict.SOFT else None
