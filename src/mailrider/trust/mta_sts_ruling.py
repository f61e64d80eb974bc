"""What an MTA-STS policy comes to in the words of the engine: a ruling like those of a policy table (RFC 8461 §4, §5).

In mode enforce: TLS with a certificate for the server's name (`match=hostname`, asked for by that name), under the authorities
of the operator or, where none are named, the system's; and a server whose name fits one of the policy's patterns.  Any
other mode demands nothing, and is carried along for the reports.
"""

from __future__ import annotations

from mailrider.model.tls import TlsLevel
from mailrider.resolver.hostname import is_valid_hostname, to_ascii
from mailrider.trust.entry import Entry
from mailrider.trust.mta_sts_finder import StsFinding
from mailrider.trust.policy import External, Source, SourceKind
from mailrider.trust.sources import Ruling

PATTERNS_SHOWN = 5


def make_ruling(found: StsFinding, host: str) -> Ruling | None:
    """What the policy demands of a server of this name; None where it demands nothing."""
    if not found.enforced:
        return None
    name = to_ascii(host) or ""
    entry = Entry(
        TlsLevel.SECURE,
        server_name=name if is_valid_hostname(name) else None,
        match=["hostname"],
        external=describe_finding(found),
        public=True,
    )
    return Ruling(entry, Source(SourceKind.MTA_STS, "MTA-STS", found.domain, show_policy(found)))


def describe_finding(found: StsFinding) -> External:
    """What a report says of it, and what the names of servers are compared with."""
    if found.kept is None:
        failure = found.failure.result if found.failure is not None else ""
        return External("sts", found.domain, failure=failure)
    policy = found.kept.policy
    strings = tuple(line.strip() for line in found.kept.text.splitlines() if line.strip())
    return External("sts", found.domain, policy.max_age_seconds, strings, policy.mx)


def show_policy(found: StsFinding) -> str:
    """`enforce id=20260101 mx=mx1.example.com,*.example.net`, for people."""
    if found.kept is None:
        return f"none ({found.failure.text})" if found.failure is not None else "none"
    policy = found.kept.policy
    more = ",..." if len(policy.mx) > PATTERNS_SHOWN else ""
    return f"{policy.mode.value} id={found.kept.id} mx={','.join(policy.mx[:PATTERNS_SHOWN])}{more}"
