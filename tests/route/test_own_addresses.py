from __future__ import annotations

from collections.abc import Sequence

import pytest

from mailrider.errors import WrongConfiguration
from mailrider.model.server import Family
from mailrider.resolver.answer import HostAddresses
from mailrider.route.own_addresses import find_interface_addresses, find_own_addresses

BOTH = (Family.IPV4, Family.IPV6)
LOCAL = ("127.0.0.1", "192.0.2.1", "::1", "2001:DB8::0001", "fe80::1%eth0")


def look_up(host: str) -> HostAddresses:
    known = {"mx.test": ("192.0.2.1", "2001:db8::1"), "nat.test": ("198.51.100.1",)}
    if host in known:
        return HostAddresses(known[host])
    return HostAddresses((), error="Name or service not known", not_found=True)


def own(interfaces: Sequence[str], proxies: Sequence[str] = (), families: Sequence[Family] = BOTH) -> tuple[str, ...]:
    return find_own_addresses(interfaces, proxies, families, read_interfaces=lambda: LOCAL, look_up=look_up)


def test_all_interfaces() -> None:
    assert own(["all"]) == ("127.0.0.1", "192.0.2.1", "::1", "2001:db8::1", "fe80::1")
    assert own(["all"], families=[Family.IPV4]) == ("127.0.0.1", "192.0.2.1")


def test_loopback_only() -> None:
    assert own(["loopback-only"]) == ("127.0.0.1", "::1")


def test_names_and_addresses() -> None:
    assert own(["127.0.0.1", "[::1]", "mx.test"]) == ("127.0.0.1", "::1", "192.0.2.1", "2001:db8::1")
    assert own(["mx.test"], families=[Family.IPV6]) == ("2001:db8::1",)


def test_nothing_listed() -> None:
    assert own([]) == ()


def test_proxies_need_no_interface_and_doubles_go() -> None:
    assert own(["127.0.0.1"], ["198.51.100.7", "nat.test", "127.0.0.1"]) == ("127.0.0.1", "198.51.100.7", "198.51.100.1")


def test_interfaces_alone() -> None:
    found = find_interface_addresses(["192.0.2.1"], BOTH, read_interfaces=lambda: LOCAL, look_up=look_up)
    assert found == ("192.0.2.1",)


def test_an_address_that_no_interface_has() -> None:
    with pytest.raises(WrongConfiguration, match=r"parameter inet_interfaces: no local interface found for 192\.0\.2\.9"):
        own(["192.0.2.9"])


@pytest.mark.parametrize("families", [BOTH, (Family.IPV6,)])
def test_a_host_that_is_not_found(families: Sequence[Family]) -> None:
    with pytest.raises(WrongConfiguration, match="parameter inet_interfaces: host not found: none"):
        own(["none.test"], families=families)
    with pytest.raises(WrongConfiguration, match="parameter proxy_interfaces: host not found: none"):
        own(["all"], ["none.test"], families=families)


def test_an_address_of_a_family_that_is_not_in_use() -> None:
    with pytest.raises(WrongConfiguration, match="host not found"):
        own(["192.0.2.1"], families=[Family.IPV6])


def test_no_family_no_interfaces() -> None:
    assert own(["all"], families=[]) == ()
