"""The addresses at which this host itself takes mail: `inet_interfaces` and `proxy_interfaces` (postconf(5)).

Mail whose exchanger has one of them would come back to us.  Addresses are compared, never names.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Sequence

from mailrider.errors import WrongConfiguration
from mailrider.model.server import Family
from mailrider.resolver.answer import HostAddresses
from mailrider.resolver.hostname import canonical_address, family_of, is_valid_address

ALL_INTERFACES = "all"
LOOPBACK_ONLY = "loopback-only"

LookUp = Callable[[str], HostAddresses]
"""getaddrinfo(3) as `resolver.native.ask_system` asks it."""

ReadInterfaces = Callable[[], Sequence[str]]
"""The addresses of this host's interfaces; `resolver.interfaces.read_interface_addresses` is the real one."""


def find_own_addresses(
    inet_interfaces: Sequence[str],
    proxy_interfaces: Sequence[str],
    families: Sequence[Family],
    *,
    read_interfaces: ReadInterfaces,
    look_up: LookUp,
) -> tuple[str, ...]:
    """All addresses that are ours, in canonical form, without doubles, those of `inet_interfaces` first.

    Blocks while names are looked up, so this belongs to start-up.  Raises `WrongConfiguration` for a host that is not
    found and for an address that no interface has.
    """
    own = find_interface_addresses(inet_interfaces, families, read_interfaces=read_interfaces, look_up=look_up)
    proxies = _look_up_all("proxy_interfaces", proxy_interfaces, families, look_up)
    return tuple(dict.fromkeys((*own, *proxies)))


def find_interface_addresses(
    inet_interfaces: Sequence[str],
    families: Sequence[Family],
    *,
    read_interfaces: ReadInterfaces,
    look_up: LookUp,
) -> tuple[str, ...]:
    """The addresses of `inet_interfaces` alone: a single one is also the source address of our connections.

    Raises `WrongConfiguration` as `find_own_addresses` does.
    """
    if not families:
        return ()
    local = _of_families(map(canonical_address, read_interfaces()), families)
    if tuple(inet_interfaces) == (ALL_INTERFACES,):
        return local
    if tuple(inet_interfaces) == (LOOPBACK_ONLY,):
        return tuple(address for address in local if ipaddress.ip_address(address).is_loopback)
    listed = _look_up_all("inet_interfaces", inet_interfaces, families, look_up)
    for address in listed:
        if address not in local:
            raise WrongConfiguration(f"parameter inet_interfaces: no local interface found for {address}")
    return listed


def _look_up_all(parameter: str, hosts: Iterable[str], families: Sequence[Family], look_up: LookUp) -> tuple[str, ...]:
    """The addresses of names and addresses; brackets around an address may be there."""
    addresses: list[str] = []
    for host in hosts:
        bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
        found = (bare,) if is_valid_address(bare) else look_up(bare).addresses
        ours = _of_families(map(canonical_address, found), families)
        if not ours:
            raise WrongConfiguration(f"parameter {parameter}: host not found: {host}")
        addresses += ours
    return tuple(dict.fromkeys(addresses))


def _of_families(addresses: Iterable[str], families: Sequence[Family]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(address for address in addresses if family_of(address) in families))
