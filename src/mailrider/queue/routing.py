"""Where a recipient's mail goes: over which transport, and to which next hop (trivial-rewrite(8), transport(5)).

A domain belongs to a class, and the class says what holds where no table says otherwise:

=================  =====================================  ==========================================================
class              domains                                transport and next hop
=================  =====================================  ==========================================================
local              `mydestination`, own addresses         `local_transport`; the domain
virtual            `virtual_mailbox_domains`              `virtual_transport`; the domain
relay              `relay_domains`                        `relay_transport`; relay host, else the domain
other              the rest                               `sender_dependent_default_transport_maps`, else
                                                          `default_transport`; relay host, else the domain
=================  =====================================  ==========================================================

The relay host is `sender_dependent_relayhost_maps`, else `relayhost`.  A next hop that stands with a transport wins over both,
and `transport_maps` over everything: `transport:nexthop`, `transport:`, `:nexthop`, or `:` for no change.  Its keys are the
address, the address without its extension, the domain, `.domain` for those above it, and `*`.

What can go wrong: a table that cannot answer makes the recipient wait (`4.3.0 address resolver failure`); an address without
a usable domain is bounced, and so is mail for nobody.

Known fault: routing characters within a local part (`user%domain@here`) are not understood; `relocated_maps` is not there.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from mailrider.errors import TableTrouble
from mailrider.model.address import quote_local_part

ROUTES_LIMIT = 20_000
"""Domains whose route is remembered where no table by recipient or sender could give another one."""

ERROR = "error"
RETRY = "retry"
DISCARD = "discard"
UNDELIVERABLE = "Address is undeliverable"
"""What `error:` without a text says."""

LOOKUP_FAILURE = "4.3.0 address resolver failure"
_HOST = re.compile(r"(?!-)[^\x00-,./:-@\[-^`{-\x7f]{1,63}(?:\.[^\x00-,./:-@\[-^`{-\x7f]{1,63})*", re.ASCII)
_LITERAL = re.compile(r"\[(?:[0-9.]{7,15}|[Ii][Pp][Vv]6:[0-9A-Fa-f:.]{2,45})\]")
_NUMERIC = re.compile(r"[0-9.]+")
DOMAIN_LIMIT_CHARACTERS = 255

Match = Callable[[str], bool]


class Table(Protocol):
    """What `tables.maps.Maps` is."""

    def __bool__(self) -> bool:
        """Whether there is anything in it."""

    def find(self, key: str, *, partial: bool = False) -> str | None:
        """The value; raises `errors.TableTrouble`."""


class Route(NamedTuple):
    """`transport` is a service of master.cf, or `error`, `retry`, `discard` with the text to tell as next hop.

    `is_local`: the domain is one of this host's own.
    """

    transport: str
    nexthop: str
    is_local: bool = False


@dataclass(frozen=True, slots=True)
class RoutingTerms:
    """The parameters, with their lists and tables open."""

    is_local: Match
    is_relay: Match
    is_virtual: Match
    transport_maps: Table
    relayhost_maps: Table
    default_transport_maps: Table
    host_name: str
    relayhost: str = ""
    default_transport: str = "smtp"
    relay_transport: str = "relay"
    local_transport: str = "local"
    virtual_transport: str = "virtual"
    empty_relayhost_key: str = "<>"
    empty_default_transport_key: str = "<>"
    recipient_delimiter: str = ""


class Router:
    """Decides by `terms`."""

    __slots__ = ("_remembered", "_terms")

    def __init__(self, terms: RoutingTerms) -> None:
        self._terms = terms
        by_domain = not (terms.transport_maps or terms.relayhost_maps or terms.default_transport_maps)
        self._remembered: dict[str, Route] | None = {} if by_domain else None

    @property
    def is_by_domain(self) -> bool:
        """Whether all mail for a domain goes the same way, whoever sends it."""
        return self._remembered is not None

    def find(self, sender: str, recipient: str) -> Route:
        """The route for one recipient."""
        remembered = self._remembered
        if remembered is None:
            return self._find(sender, recipient)
        domain = recipient.rpartition("@")[2] if "@" in recipient else ""
        route = remembered.get(domain)
        if route is None:
            route = self._find(sender, recipient)
            if domain and route.transport not in (ERROR, RETRY):
                if len(remembered) >= ROUTES_LIMIT:
                    del remembered[next(iter(remembered))]
                remembered[domain] = route
        return route

    def _find(self, sender: str, recipient: str) -> Route:
        if not recipient:
            return Route(ERROR, "5.1.3 null recipient address")
        local, at, domain = recipient.rpartition("@")
        if not at:
            local, domain = recipient, self._terms.host_name
        domain = domain.removesuffix(".")
        if not local or not is_mail_domain(domain):
            return Route(ERROR, f"5.1.3 bad address syntax; {recipient[:80]}")
        try:
            return self._route(sender, f"{local}@{domain}", domain)
        except TableTrouble:
            return Route(RETRY, LOOKUP_FAILURE)

    def _route(self, sender: str, recipient: str, domain: str) -> Route:
        terms = self._terms
        is_local = False
        if terms.is_local(domain):
            is_local = True
            route = _with_own_nexthop(terms.local_transport, domain)
        elif terms.is_virtual(domain):
            route = _with_own_nexthop(terms.virtual_transport, domain)
        else:
            if terms.is_relay(domain):
                transport = terms.relay_transport
            else:
                transport = self._default_transport(sender)
            route = _with_own_nexthop(transport, self._relayhost(sender) or domain)
        if terms.transport_maps:
            found = self._find_transport(recipient, domain)
            if found is not None:
                route = _override(route, found, domain)
        return route._replace(is_local=is_local) if is_local else route

    def _default_transport(self, sender: str) -> str:
        terms = self._terms
        found = self._find_sender(terms.default_transport_maps, sender or terms.empty_default_transport_key)
        return terms.default_transport if not found or found.upper() == "DUNNO" else found

    def _relayhost(self, sender: str) -> str:
        terms = self._terms
        found = self._find_sender(terms.relayhost_maps, sender or terms.empty_relayhost_key)
        return terms.relayhost if not found or found.upper() == "DUNNO" else found

    def _find_sender(self, table: Table, sender: str) -> str | None:
        """By the address, without its extension, by user where the domain is ours, then `@domain`."""
        if not table:
            return None
        keys = self._address_keys(sender)
        local, _, domain = sender.rpartition("@")
        if "@" in sender and self._terms.is_local(domain):
            keys += [key.rpartition("@")[0] for key in self._address_keys(sender)]
        for key in dict.fromkeys(keys):
            found = table.find(key)
            if found is not None:
                return found
        return table.find(f"@{domain}", partial=True) if local else None

    def _find_transport(self, recipient: str, domain: str) -> str | None:
        table = self._terms.transport_maps
        for key in self._address_keys(recipient):
            found = table.find(key)
            if found is not None:
                return found
        found = table.find(domain, partial=True)
        rest = domain
        while found is None and "." in rest:
            rest = rest.partition(".")[2]
            found = table.find(f".{rest}", partial=True)
        return table.find("*") if found is None else found

    def _address_keys(self, address: str) -> list[str]:
        """The outside form, the inside form where it is another, and both without the extension."""
        keys = [quote_local_part(address), address]
        local, at, domain = address.rpartition("@")
        for delimiter in self._terms.recipient_delimiter:
            user = local.partition(delimiter)[0]
            if at and user and user != local:
                keys += [quote_local_part(f"{user}@{domain}"), f"{user}@{domain}"]
                break
        return list(dict.fromkeys(keys))


def is_mail_domain(domain: str) -> bool:
    """Whether mail may be addressed to it: a host name, or an address in brackets (RFC 5321 §4.1.3)."""
    if len(domain) > DOMAIN_LIMIT_CHARACTERS:
        return False
    if domain.startswith("["):
        return _LITERAL.fullmatch(domain) is not None
    return _HOST.fullmatch(domain) is not None and _NUMERIC.fullmatch(domain) is None


def _with_own_nexthop(transport: str, nexthop: str) -> Route:
    """`transport` of main.cf, which may have a next hop of its own."""
    name, _, own = transport.partition(":")
    return Route(name, own or nexthop)


def _override(route: Route, value: str, domain: str) -> Route:
    """A value of the transport table over what main.cf says (transport(5), "RESULT FORMAT")."""
    name, _, nexthop = value.partition(":")
    name, nexthop = name.strip(), nexthop.strip()
    if not name:
        return route._replace(nexthop=nexthop or route.nexthop)
    if nexthop:
        return Route(name, nexthop)
    return Route(name, UNDELIVERABLE if name in (ERROR, RETRY) else domain)
