"""The order in which servers are tried: shuffled, sorted, cut at ourselves, balanced.  Pure; chance is handed in."""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from itertools import accumulate

from mailrider.model.server import Family, Server
from mailrider.resolver.answer import RECORDS_LIMIT, Record


def shuffle(servers: Sequence[Server], chance: random.Random) -> list[Server]:
    """The servers in any order, every one as likely (RFC 5321 §5.1)."""
    shuffled = list(servers)
    chance.shuffle(shuffled)
    return shuffled


def sort_by_preference(servers: Sequence[Server], first_family: Family | None) -> list[Server]:
    """Best preference first, then `first_family`; what is equal keeps its order."""
    if first_family is None:
        return sorted(servers, key=lambda server: server.preference)
    return sorted(servers, key=lambda server: (server.preference, server.family is not first_family))


def sort_exchangers(records: Sequence[Record]) -> list[Record]:
    """MX records, best preference first; equal ones keep the order of the answer."""
    return sorted(records, key=lambda record: record.preference)


def sort_services(records: Sequence[Record], chance: random.Random) -> list[Record]:
    """SRV records by priority, and within one priority by chance in proportion to weight (RFC 2782).

    Unlike RFC 2782, and like Postfix, a weight of 0 is just a small weight.
    """
    shuffled = list(records)
    chance.shuffle(shuffled)
    ordered: list[Record] = []
    by_priority = sorted(shuffled, key=lambda record: record.preference)
    while by_priority:
        size = sum(1 for record in by_priority if record.preference == by_priority[0].preference)
        ordered += _draw_by_weight(by_priority[:size], chance)
        by_priority = by_priority[size:]
    return ordered


def _draw_by_weight(records: list[Record], chance: random.Random) -> list[Record]:
    """Draw one after the other, a heavy one more likely early."""
    total = sum(record.weight for record in records)
    if total == 0:
        return records
    drawn: list[Record] = []
    while records:
        threshold = chance.randint(0, total)
        sums = accumulate(record.weight for record in records)
        index = next(index for index, running in enumerate(sums) if running >= threshold)
        record = records.pop(index)
        total -= record.weight
        drawn.append(record)
    return drawn


def find_own(servers: Sequence[Server], own_addresses: Collection[str]) -> Server | None:
    """The first server that is ourselves."""
    return next((server for server in servers if server.address in own_addresses), None)


def cut_before(servers: Sequence[Server], preference: int) -> list[Server]:
    """The servers before the first one of `preference`: those that are better, where the list is in order."""
    kept: list[Server] = []
    for server in servers:
        if server.preference == preference:
            break
        kept.append(server)
    return kept


def balance_families(servers: Sequence[Server], limit: int) -> list[Server]:
    """Drop servers until `limit` are left, so that neither family crowds out the other (`smtp_balance_inet_protocols`).

    Nothing is dropped where only one family is there or nothing is over the limit; the order stays.  A family with at
    most half of the places keeps all its servers, else each has half and the odd place goes to the family of the first
    server.
    """
    limit = min(limit, RECORDS_LIMIT)
    ipv6 = sum(1 for server in servers if server.family is Family.IPV6)
    ipv4 = len(servers) - ipv6
    if not ipv4 or not ipv6 or ipv4 + ipv6 <= limit:
        return list(servers)
    if ipv6 <= limit // 2:
        places = {Family.IPV6: ipv6, Family.IPV4: limit - ipv6}
    elif ipv4 <= limit // 2:
        places = {Family.IPV4: ipv4, Family.IPV6: limit - ipv4}
    else:
        half = (limit + (servers[0].family is Family.IPV4)) // 2
        places = {Family.IPV4: half, Family.IPV6: limit - half}
    kept: list[Server] = []
    for server in servers:
        if places[server.family] > 0:
            places[server.family] -= 1
            kept.append(server)
    return kept
