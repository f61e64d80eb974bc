"""What the system says about name servers: resolv.conf(5), and our own `dns_nameservers` in its place.

Reading is generous as in the C library: what is not understood is passed over, and without a usable `nameserver` line
the one on this host is asked.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from mailrider.resolver.hostname import is_valid_hostname, is_valid_ipv4, is_valid_ipv6

RESOLV_CONF = "/etc/resolv.conf"
RESOLV_CONF_LIMIT_OCTETS = 65536
"""Far more than the C library looks at."""
NAMESERVERS_LIMIT = 3
"""MAXNS of resolv.h; `dns_nameservers` may name more."""
SEARCH_DOMAINS_LIMIT = 32
"""The C library has had no limit since 2.26; a list this long is a mistake already."""
DNS_PORT = 53
DEFAULT_TIMEOUT_SECONDS = 5
DEFAULT_ATTEMPTS = 2
"""RES_TIMEOUT and RES_DFLRETRY of resolv.h."""
TIMEOUT_LIMIT_SECONDS = 30
"""RES_MAXRETRANS of resolv.h."""
ATTEMPTS_LIMIT = 5
"""RES_MAXRETRY of resolv.h."""
NDOTS_LIMIT = 15
"""RES_MAXNDOTS of resolv.h."""


class NameServer(NamedTuple):
    """Where to ask.  `address` is numeric; an IPv6 address may end with `%zone`."""

    address: str
    port: int = DNS_PORT

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


@dataclass(frozen=True, slots=True)
class ResolverConfiguration:
    """How to ask: the servers in order, the time one may take, how often the list is gone through, the search list.

    `ndots`: a name with as many dots is tried as it is before the search list is.
    """

    nameservers: tuple[NameServer, ...] = (NameServer("127.0.0.1"),)
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS
    attempts: int = DEFAULT_ATTEMPTS
    search: tuple[str, ...] = ()
    ndots: int = 1


def configure(nameservers: Iterable[tuple[str, int]] = (), path: str = RESOLV_CONF) -> ResolverConfiguration:
    """The system's configuration, with the (address, port) pairs of `dns_nameservers` for its name servers if any."""
    configuration = read_resolv_conf(path)
    ours = tuple(NameServer(address, port) for address, port in nameservers)
    return replace(configuration, nameservers=ours) if ours else configuration


def read_resolv_conf(path: str = RESOLV_CONF) -> ResolverConfiguration:
    """Read the system's resolver configuration; a file that cannot be read counts as an empty one (resolv.conf(5)).

    `LOCALDOMAIN` and `RES_OPTIONS` of the environment come after the file, as in the C library.
    """
    try:
        with Path(path).open("rb") as file:
            text = file.read(RESOLV_CONF_LIMIT_OCTETS).decode("utf-8", "replace")
    except OSError:
        text = ""
    if "LOCALDOMAIN" in os.environ:
        text += f"\nsearch {os.environ['LOCALDOMAIN']}"
    if "RES_OPTIONS" in os.environ:
        text += f"\noptions {os.environ['RES_OPTIONS']}"
    return parse_resolv_conf(text)


def parse_resolv_conf(text: str) -> ResolverConfiguration:
    """Take the meaning out of a resolv.conf(5) text.  Never fails: what makes no sense is passed over."""
    servers: list[NameServer] = []
    search: tuple[str, ...] = ()
    options = {"timeout": DEFAULT_TIMEOUT_SECONDS, "attempts": DEFAULT_ATTEMPTS, "ndots": 1}
    for line in text.splitlines():
        keyword, *words = line.split() or [""]
        if line[:1] in ("#", ";") or not words:
            continue
        if keyword == "nameserver" and _is_server_address(words[0]):
            servers.append(NameServer(words[0]))
        elif keyword == "domain":
            search = _domains(words[:1])
        elif keyword == "search":
            search = _domains(words)
        elif keyword == "options":
            _take_options(options, words)
    return ResolverConfiguration(
        nameservers=tuple(servers[:NAMESERVERS_LIMIT]) or (NameServer("127.0.0.1"),),
        timeout_seconds=max(1, min(options["timeout"], TIMEOUT_LIMIT_SECONDS)),
        attempts=max(1, min(options["attempts"], ATTEMPTS_LIMIT)),
        search=search,
        ndots=min(options["ndots"], NDOTS_LIMIT),
    )


def _domains(words: list[str]) -> tuple[str, ...]:
    """The domains that can be appended to a name; a lone dot stands for the root and adds nothing."""
    domains = [word.rstrip(".") for word in words]
    return tuple(domain for domain in domains if is_valid_hostname(domain))[:SEARCH_DOMAINS_LIMIT]


def _take_options(options: dict[str, int], words: list[str]) -> None:
    for word in words:
        name, _, value = word.partition(":")
        if name in options and value.isascii() and value.isdigit():
            options[name] = int(value[:6])


def _is_server_address(text: str) -> bool:
    return is_valid_ipv4(text) or is_valid_ipv6(text.partition("%")[0])
