from __future__ import annotations

import ipaddress

from mailrider.resolver.interfaces import read_interface_addresses


def test_this_host_has_a_loopback_address() -> None:
    addresses = read_interface_addresses()
    assert "127.0.0.1" in addresses
    assert len(set(addresses)) == len(addresses)
    assert all(not ipaddress.ip_address(address).is_unspecified for address in addresses)
