from __future__ import annotations

from mailrider.model.server import Family, Server


def test_a_server_has_names_for_the_log() -> None:
    server = Server("mx.example.test", "192.0.2.1", 25, Family.IPV4)
    assert server.name_and_address == "mx.example.test[192.0.2.1]"
    assert server.relay == "mx.example.test[192.0.2.1]:25"
    assert Server("mx", "2001:db8::1", 24, Family.IPV6).relay == "mx[2001:db8::1]:24"


def test_a_socket_in_the_file_system_has_no_port() -> None:
    server = Server("client.example.test", "/run/lmtp", 0, Family.UNIX)
    assert server.relay == server.name_and_address == "client.example.test[/run/lmtp]"


def test_families_are_called_as_in_inet_protocols() -> None:
    assert [family.value for family in Family] == ["ipv4", "ipv6", "unix"]
