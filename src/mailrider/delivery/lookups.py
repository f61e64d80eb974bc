"""The tables and lists of one transport, opened once.

A lookup takes a key and gives a value or None; it raises `errors.TableTrouble` when a table could not answer.  What is
not configured is None, so that nobody pays for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mailrider.content.address_fields import Rewrite
from mailrider.content.generic import Extensions, Generic
from mailrider.content.whole_address import make_completion
from mailrider.model.request import Transport
from mailrider.resolver.hostname import canonical_address, is_valid_ipv4, is_valid_ipv6
from mailrider.resolver.interfaces import read_interface_addresses
from mailrider.resolver.native import ask_system
from mailrider.route.own_addresses import find_own_addresses
from mailrider.route.policy import enabled_families
from mailrider.settings import Settings
from mailrider.tables.maps import open_maps
from mailrider.tables.match_list import open_domain_list, open_host_list, open_string_list, take_trouble_as_no

Lookup = Callable[[str], str | None]

DISCARD_MAPS_TITLE = {
    Transport.SMTP: "smtp_discard_ehlo_keyword_address_maps",
    Transport.LMTP: "lmtp_discard_lhlo_keyword_address_maps",
}
"""The mirror of this parameter is not named after it alone."""


def match_nothing(subject: str) -> bool:
    """An empty match list."""
    return False


def match_no_host(name: str, address: str) -> bool:
    """An empty list of hosts."""
    return False


@dataclass(frozen=True, slots=True)
class Lookups:
    """What is looked up in the course of a delivery.

    `discard_by_address` and `pix_by_address` have server addresses for keys.  `reply_filter` sees each reply line,
    `status_filter` each final status.  `generic` takes an address in its inside form and gives another one, or None.
    `keeps_connections_to` is `smtp_connection_cache_destinations`, `tells_dialogue` is `debug_peer_list`: it takes the name
    and the address of a server.
    """

    discard_by_address: Lookup | None = None
    pix_by_address: Lookup | None = None
    reply_filter: Lookup | None = None
    status_filter: Lookup | None = None
    header_checks: Lookup | None = None
    mime_header_checks: Lookup | None = None
    nested_header_checks: Lookup | None = None
    body_checks: Lookup | None = None
    generic: Rewrite | None = None
    keeps_connections_to: Callable[[str], bool] = match_nothing
    tells_dialogue: Callable[[str, str], bool] = match_no_host


def open_lookups(settings: Settings, warn: Callable[[str], None]) -> Lookups:
    """Open everything that the settings name.  `warn` hears of doubtful lines; raises `WrongConfiguration`."""

    def find(tables: tuple[str, ...], parameter: str, *, folds: bool = False) -> Lookup | None:
        # smtp(8) folds a line from a server before it asks a table of fixed strings, but no line of a message and no status.
        if not tables:
            return None
        return open_maps(parameter, " ".join(tables), warn=warn, find_parameter=settings.find_text, folds=folds).find

    prefix = settings.transport.value
    return Lookups(
        discard_by_address=find(settings.smtp_discard_ehlo_keyword_address_maps, DISCARD_MAPS_TITLE[settings.transport]),
        pix_by_address=find(settings.smtp_pix_workaround_maps, f"{prefix}_pix_workaround_maps"),
        reply_filter=find(settings.smtp_reply_filter, f"{prefix}_reply_filter", folds=True),
        status_filter=find(settings.smtp_delivery_status_filter, f"{prefix}_delivery_status_filter"),
        header_checks=find(settings.smtp_header_checks, f"{prefix}_header_checks"),
        mime_header_checks=find(settings.smtp_mime_header_checks, f"{prefix}_mime_header_checks"),
        nested_header_checks=find(settings.smtp_nested_header_checks, f"{prefix}_nested_header_checks"),
        body_checks=find(settings.smtp_body_checks, f"{prefix}_body_checks"),
        generic=_open_generic(settings, warn),
        keeps_connections_to=_open_kept(settings, warn),
        tells_dialogue=_open_debug_peers(settings, warn),
    )


def _open_kept(settings: Settings, warn: Callable[[str], None]) -> Callable[[str], bool]:
    """`smtp_connection_cache_destinations`.  A table in it that cannot answer is no reason not to deliver."""
    if not settings.smtp_connection_cache_destinations:
        return match_nothing
    name = f"{settings.transport.value}_connection_cache_destinations"
    kept = open_string_list(name, " ".join(settings.smtp_connection_cache_destinations), warn=warn)
    return take_trouble_as_no(kept, lambda text: warn(f"{name}: {text}"))


def _open_debug_peers(settings: Settings, warn: Callable[[str], None]) -> Callable[[str, str], bool]:
    """`debug_peer_list`.  A table in it that cannot answer is no reason not to deliver."""
    name = "debug_peer_list"
    if not settings.debug_peer_list:
        return match_no_host
    parents = name in settings.parent_domain_matches_subdomains
    peers = open_host_list(name, " ".join(settings.debug_peer_list), parent_domains=parents, warn=warn)
    return take_trouble_as_no(peers, warn)


def _open_generic(settings: Settings, warn: Callable[[str], None]) -> Rewrite | None:
    """`smtp_generic_maps`, with what a search of it has to know of this site."""
    if not settings.smtp_generic_maps:
        return None
    title = f"{settings.transport.value}_generic_maps"
    generic = Generic(
        table=open_maps(title, " ".join(settings.smtp_generic_maps), warn=warn, find_parameter=settings.find_text),
        extensions=Extensions(settings.recipient_delimiter, "generic" in settings.propagate_unmatched_extensions),
        completion=make_completion(settings),
        own_domain=own_domain_test(settings, warn),
        title=title,
        warn=warn,
    )
    return generic.rewrite


def own_domain_test(settings: Settings, warn: Callable[[str], None]) -> Callable[[str], bool]:
    """Knows the domains whose users may be looked up without one, our own addresses in brackets among them.

    Raises `WrongConfiguration`.
    """
    own = open_domain_list(
        "mydestination",
        " ".join(settings.mydestination),
        parent_domains="mydestination" in settings.parent_domain_matches_subdomains,
        warn=warn,
    )
    origin = settings.myorigin.lower()
    addresses = find_own_addresses(
        settings.inet_interfaces,
        settings.proxy_interfaces,
        enabled_families(settings),
        read_interfaces=read_interface_addresses,
        look_up=ask_system,
    )

    def is_own(domain: str) -> bool:
        return domain.lower() == origin or own.matches(domain) or _literal_address(domain) in addresses

    return is_own


def _literal_address(domain: str) -> str:
    """The address in an address literal (RFC 5321 §4.1.3), in canonical form, or an empty text."""
    text = domain[1:-1] if domain.startswith("[") and domain.endswith("]") else ""
    prefix, _, address = text.partition(":")
    if is_valid_ipv4(text):
        return canonical_address(text)
    return canonical_address(address) if prefix.lower() == "ipv6" and is_valid_ipv6(address) else ""
