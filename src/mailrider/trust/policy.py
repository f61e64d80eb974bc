"""A policy: the answer to "what must this server prove", and where the answer came from."""

from __future__ import annotations

import enum
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import NamedTuple

from mailrider.model.tls import TlsLevel
from mailrider.tls.terms import TlsTerms


class SourceKind(enum.Enum):
    """Who chose a policy."""

    SETTING = "setting"
    """A parameter of main.cf."""
    POLICY_TABLE = "policy table"
    """`smtp_tls_policy_maps`."""
    SITE_TABLE = "site table"
    """`smtp_tls_per_site`, by next hop or server."""
    MTA_STS = "MTA-STS"
    """What the domain has published (RFC 8461); the key is the domain."""
    MESSAGE = "message"
    """The message itself: TLS-Required: no."""
    FALLBACK = "fallback"
    """TLS has failed, and the mail may go in clear."""


class Source(NamedTuple):
    """Which rule of which source chose a policy.

    `title` is the parameter, `key` what was found in it (empty for a parameter's own value), `text` what stands there.
    """

    kind: SourceKind
    title: str
    key: str = ""
    text: str = ""

    def __str__(self) -> str:
        """`smtp_tls_policy_maps: ".example.com" = "secure"`, as people read it."""
        return f'{self.title}: "{self.key}" = "{self.text}"' if self.key else f"{self.title} = {self.text}"


class External(NamedTuple):
    """What a policy table says of a policy that others made (`policy_type=` and its like, since Postfix 3.10)."""

    type: str
    domain: str = ""
    ttl_seconds: int = -1
    strings: tuple[str, ...] = ()
    mx_patterns: tuple[str, ...] = ()
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Policy:
    """What a server must prove.

    `terms` is None at level none and nowhere else.  `requested` is the level that the source asked for, where it differs from
    `level` because of what the DNS said (`reason`).  `mx_patterns` are the names that a server may have, empty for any.
    `reuse`: connections with TLS may be kept.
    """

    level: TlsLevel
    source: Source = field(compare=False)
    terms: TlsTerms | None = None
    requested: TlsLevel | None = field(default=None, compare=False)
    reason: str = field(default="", compare=False)
    reuse: bool = field(default=False, compare=False)
    mx_patterns: tuple[str, ...] = ()
    external: External | None = field(default=None, compare=False)

    @property
    def identity(self) -> Hashable:
        """What a connection that was opened under it has in common with others that may be used in its place."""
        return (self.level, self.terms)

    def admits(self, host: str) -> bool:
        """Whether a server of this name may be used at all."""
        return not self.mx_patterns or any(fits_mx_pattern(pattern, host) for pattern in self.mx_patterns)


class NoPolicy(NamedTuple):
    """Why this server may not be used: an enhanced status code and the text as smtp(8) words it."""

    status: str
    text: str


CONFIGURATION_PROBLEM = NoPolicy("4.7.5", "client TLS configuration problem")
LOOKUP_PROBLEM = NoPolicy("4.3.0", "Temporary lookup error")


def fits_mx_pattern(pattern: str, host: str) -> bool:
    """Whether a host name fits a pattern of MTA-STS (RFC 8461 §4.1): itself, or `*.` for exactly one label."""
    pattern, host = pattern.lower(), host.lower()
    label, dot, rest = host.partition(".")
    return host == pattern or (pattern.startswith("*.") and len(pattern) > 2 and bool(label and dot) and rest == pattern[2:])
