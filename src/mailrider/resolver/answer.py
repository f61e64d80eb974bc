"""What a question to the name service brought: a value for every way in which it can end.

The reasons and their words are those of smtp(8): `Host or domain name not found. Name service error for name=N type=T: ...`.
When several questions are asked about one host (A and AAAA), the verdict with the highest precedence wins:
found > policy > soft > invalid > hard > null MX > null SRV > not found.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import NamedTuple, Protocol

from mailrider.model.server import Family

RECORDS_LIMIT = 100
"""An answer holds no more records than this (Postfix's `var_dns_rr_list_limit`); five are tried by default."""


class Verdict(enum.IntEnum):
    """How a question ended, by rising precedence."""

    NOT_FOUND = 0
    NULL_SRV = 1
    NULL_MX = 2
    HARD = 3
    INVALID = 4
    SOFT = 5
    POLICY = 6
    FOUND = 7


class Record(NamedTuple):
    """One record of the wanted type.

    `name` is the owner at the end of any CNAME chain, `data` the target name or the address as text, without the final dot.
    `preference` is the MX preference or the SRV priority; `weight` and `port` are 0 outside SRV.  `secure` is the AD bit, kept
    only while every step of the CNAME chain had it.
    """

    type: str
    name: str
    data: str
    preference: int = 0
    weight: int = 0
    port: int = 0
    ttl_seconds: int = 0
    secure: bool = False


class Answer(NamedTuple):
    """The end of one question.  `records` is empty unless the verdict is FOUND; `reason` is empty when it is.

    `ttl_seconds` is how long the answer may be kept, whatever its verdict (RFC 2308 §5 for the negative ones); 0 says
    not at all.  `warnings` are what a postmaster should read about it, printable, without a prefix.
    """

    verdict: Verdict
    records: tuple[Record, ...] = ()
    reason: str = ""
    ttl_seconds: int = 0
    warnings: tuple[str, ...] = ()


class Search(enum.Flag):
    """Which incomplete names the resolver may complete (resolv.conf(5), `smtp_dns_resolver_options`)."""

    NONE = 0
    DEFNAMES = enum.auto()
    """A name without a dot gets the local domain (`res_defnames`)."""
    DNSRCH = enum.auto()
    """A name with a dot is also looked for in the domains of the search list (`res_dnsrch`)."""


class HostAddresses(NamedTuple):
    """What the native name service (hosts file, NSS) says of a host.

    `error` is None when it answered; else `retry` tells whether asking again may help, `not_found` whether this is about the
    name rather than the service (getaddrinfo(3); a name server that is silent counts, so both may be true).
    """

    addresses: tuple[str, ...]
    error: str | None = None
    retry: bool = False
    not_found: bool = False


class Resolver(Protocol):
    """The interface that `route` and `trust` ask."""

    async def ask(self, name: str, types: tuple[str, ...], *, dnssec: bool = False, search: Search = Search.NONE) -> Answer:
        """Look `name` up for each of `types` (`"MX"`, `"A"`, `"AAAA"`, `"SRV"`, `"TLSA"`, `"TXT"`), in that order.

        Records of all types that were found come in one list, `combine` says how several ends become one.  Never raises
        for anything that a name server says or does not say.
        """

    async def ask_host(self, host: str, family: Family | None = None) -> HostAddresses:
        """Ask getaddrinfo(3), which also reads /etc/hosts, for the addresses of `host`, of one family or of all."""


def combine(answers: Iterable[Answer]) -> Answer:
    """Make one answer of those to several questions about one name, in the order in which they were asked.

    The highest verdict wins and brings its reason; among equals the last one (so that a name which is in neither family
    reads `type=AAAA`).  The list of records ends at `RECORDS_LIMIT`.
    """
    best: Answer | None = None
    records: list[Record] = []
    warnings: list[str] = []
    ttls: list[int] = []
    for answer in answers:
        if best is None or answer.verdict >= best.verdict:
            best = answer
        ttls.append(answer.ttl_seconds)
        warnings += answer.warnings
        records += answer.records
        if len(records) >= RECORDS_LIMIT:
            break
    if best is None:
        return Answer(Verdict.NOT_FOUND)
    return Answer(best.verdict, tuple(records[:RECORDS_LIMIT]), best.reason, min(ttls), tuple(warnings))
