from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from mailrider.model.server import Family
from mailrider.resolver.answer import RECORDS_LIMIT, HostAddresses
from mailrider.resolver.native import ask_native, ask_system


def test_numeric_hosts_need_no_name_service() -> None:
    assert ask_system("192.0.2.1") == HostAddresses(("192.0.2.1",))
    assert asyncio.run(ask_native("2001:db8::1")) == HostAddresses(("2001:db8::1",))


@pytest.mark.parametrize("host", ["", "ä.test", "a\0b"])
def test_what_can_be_no_host_is_not_asked(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", None)
    assert ask_system(host) == HostAddresses((), error="Name or service not known", not_found=True)


@pytest.mark.parametrize("host", ["a..b", "x" * 70 + ".invalid"])
def test_odd_hosts_reach_the_system_as_they_are(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def getaddrinfo(host: object, *rest: object) -> list[Any]:
        asked.append(host)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    assert ask_system(host).not_found
    assert asked == [host.encode()]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (socket.gaierror(socket.EAI_NONAME, "Unknown"), HostAddresses((), "Unknown", retry=False, not_found=True)),
        (socket.gaierror(socket.EAI_AGAIN, "Later"), HostAddresses((), "Later", retry=True, not_found=True)),
        (socket.gaierror(socket.EAI_NODATA, "No address"), HostAddresses((), "No address", retry=False, not_found=False)),
        (socket.gaierror(socket.EAI_FAIL, "Failed"), HostAddresses((), "Failed", retry=False, not_found=False)),
        (socket.gaierror(socket.EAI_MEMORY, "Memory"), HostAddresses((), "Memory", retry=True, not_found=False)),
        (OSError(24, "Too many open files"), HostAddresses((), "Too many open files", retry=True, not_found=False)),
    ],
)
def test_errors(error: OSError, expected: HostAddresses, monkeypatch: pytest.MonkeyPatch) -> None:
    def getaddrinfo(*_: object) -> list[Any]:
        raise error

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    assert ask_system("a.test") == expected


def test_addresses_of_families_in_order_without_doubles(monkeypatch: pytest.MonkeyPatch) -> None:
    families: list[object] = []

    def getaddrinfo(host: object, service: object, family: object, *rest: object) -> list[Any]:
        families.append(family)
        v6 = (socket.AF_INET6, 1, 6, "", ("2001:db8::1", 0, 0, 0))
        v4 = (socket.AF_INET, 1, 6, "", ("192.0.2.1", 0))
        return [v6, v4, v6, (socket.AF_UNIX, 1, 0, "", ("x",))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    assert ask_system("a.test").addresses == ("2001:db8::1", "192.0.2.1")
    ask_system("a.test", Family.IPV4)
    ask_system("a.test", Family.IPV6)
    assert families == [socket.AF_UNSPEC, socket.AF_INET, socket.AF_INET6]


def test_the_list_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    many = [(socket.AF_INET, 1, 6, "", (f"192.0.{n // 250}.{n % 250}", 0)) for n in range(500)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: many)
    assert len(ask_system("a.test").addresses) == RECORDS_LIMIT
