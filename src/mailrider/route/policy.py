"""What `exchangers` has to know of the settings, as plain values, and the one place where they are taken from the settings."""

from __future__ import annotations

import enum
import random
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from mailrider.model.request import Transport
from mailrider.model.server import Family
from mailrider.resolver.answer import Search
from mailrider.settings import Settings
from mailrider.tables.match_list import open_string_list, take_trouble_as_no
from mailrider.tables.source import ignore_warning

LOOP_PORT = 25
"""Only there can mail come back to us, so only there are our own addresses looked for."""


_BOTH_TYPES = ("A", "AAAA")


class DnsSupport(enum.Enum):
    """`smtp_dns_support_level`."""

    DISABLED = "disabled"
    ENABLED = "enabled"
    DNSSEC = "dnssec"


def use_no_service_records(service: str) -> bool:
    """`use_srv_lookup` when it is empty."""
    return False


@dataclass(frozen=True, slots=True)
class RoutePolicy:
    """How servers are found and ordered; the defaults are those of smtp(8), with every family and no own address.

    `families` are those in use, IPv4 before IPv6; `first_family` is preferred among equals.  `host_dns` and `host_native` say
    where the addresses of a host come from.  `uses_service_records` tells whether a service is found by SRV records.
    `validate_all_hosts` asks for validated addresses even where the MX records were not.  `my_hostname` names the server
    behind a UNIX-domain socket.
    """

    transport: Transport = Transport.SMTP
    dns: DnsSupport = DnsSupport.ENABLED
    host_dns: bool = True
    host_native: bool = False
    search: Search = Search.NONE
    families: tuple[Family, ...] = (Family.IPV4, Family.IPV6)
    first_family: Family | None = None
    randomize: bool = True
    address_limit: int = 5
    balance: bool = True
    ignore_mx_lookup_error: bool = False
    defer_if_no_mx_address: bool = False
    uses_service_records: Callable[[str], bool] = use_no_service_records
    ignore_srv_lookup_error: bool = False
    allow_srv_lookup_fallback: bool = False
    cname_overrides_servername: bool = False
    validate_all_hosts: bool = False
    idna2003: bool = False
    own_addresses: Collection[str] = frozenset()
    my_hostname: str = "localhost"
    chance: random.Random = field(default_factory=random.SystemRandom)

    @property
    def record_types(self) -> tuple[str, ...]:
        """The types of address records to ask for, in order."""
        if len(self.families) == 2:
            return _BOTH_TYPES
        return tuple("A" if family is Family.IPV4 else "AAAA" for family in self.families)

    @property
    def only_family(self) -> Family | None:
        """The family, where there is but one."""
        return self.families[0] if len(self.families) == 1 else None


def route_policy(
    settings: Settings,
    own_addresses: Collection[str] = frozenset(),
    *,
    families: Sequence[Family] | None = None,
    chance: random.Random | None = None,
    warn: Callable[[str], None] = ignore_warning,
) -> RoutePolicy:
    """The policy that `settings` (bound to a transport) describe.

    `own_addresses` come from `own_addresses.find_own_addresses`; `families` are those of `enabled_families` that this
    host really has.  `warn` hears of what is wrong in files and tables of `use_srv_lookup`; one that cannot be read is
    `WrongConfiguration`.
    """
    transport = settings.transport
    dns = DnsSupport(settings.smtp_dns_support_level or ("disabled" if settings.disable_dns_lookups else "enabled"))
    enabled = tuple(families) if families is not None else enabled_families(settings)
    return RoutePolicy(
        transport=transport,
        dns=dns,
        host_dns=dns is not DnsSupport.DISABLED and "dns" in settings.smtp_host_lookup,
        host_native=dns is DnsSupport.DISABLED or "native" in settings.smtp_host_lookup,
        search=_search(settings.smtp_dns_resolver_options),
        families=enabled,
        first_family=_first_family(settings.smtp_address_preference, enabled),
        randomize=settings.smtp_randomize_addresses,
        address_limit=settings.smtp_mx_address_limit,
        balance=settings.smtp_balance_inet_protocols,
        ignore_mx_lookup_error=settings.ignore_mx_lookup_error,
        defer_if_no_mx_address=settings.smtp_defer_if_no_mx_address_found,
        uses_service_records=_service_matcher(settings, warn),
        ignore_srv_lookup_error=settings.ignore_srv_lookup_error,
        allow_srv_lookup_fallback=settings.allow_srv_lookup_fallback,
        cname_overrides_servername=settings.smtp_cname_overrides_servername,
        validate_all_hosts=(
            transport is Transport.SMTP and dns is DnsSupport.DNSSEC and settings.smtp_tls_dane_insecure_mx_policy != "may"
        ),
        idna2003=settings.enable_idna2003_compatibility,
        own_addresses=frozenset(own_addresses),
        my_hostname=settings.myhostname,
        chance=chance or random.SystemRandom(),
    )


def enabled_families(settings: Settings) -> tuple[Family, ...]:
    """The families that `inet_protocols` lets us use, IPv4 first whatever the order there."""
    words = settings.inet_protocols
    return tuple(family for family in (Family.IPV4, Family.IPV6) if "all" in words or family.value in words)


def _first_family(preference: str, families: Sequence[Family]) -> Family | None:
    """`smtp_address_preference`, which says nothing where there is but one family."""
    return Family(preference) if preference != "any" and len(families) > 1 else None


def _search(options: Sequence[str]) -> Search:
    """`smtp_dns_resolver_options` as flags."""
    search = Search.NONE
    if "res_defnames" in options:
        search |= Search.DEFNAMES
    if "res_dnsrch" in options:
        search |= Search.DNSRCH
    return search


def _service_matcher(settings: Settings, warn: Callable[[str], None]) -> Callable[[str], bool]:
    """`use_srv_lookup`, a match list.  A table in it that cannot answer is told, and counts as a miss, as in smtp(8)."""
    if not settings.use_srv_lookup:
        return use_no_service_records
    services = open_string_list("use_srv_lookup", " ".join(settings.use_srv_lookup), warn=warn)
    return take_trouble_as_no(services, lambda text: warn(f"use_srv_lookup: {text}"))
