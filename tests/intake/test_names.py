"""The names of clients."""

from __future__ import annotations

import asyncio
import socket

import pytest

from mailrider.intake import names
from mailrider.intake.names import PeerNames, find_name


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Names with the addresses that they lead to; the first one is what every address is called."""
    known: dict[str, list[str]] = {}

    def name_of(address: tuple[str, int], flags: int) -> tuple[str, str]:
        if not known:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return next(iter(known)), "0"

    def addresses_of(name: str, port: object, **rest: object) -> list[tuple[object, ...]]:
        return [(0, 0, 0, "", (address, 0)) for address in known[name]]

    monkeypatch.setattr(socket, "getnameinfo", name_of)
    monkeypatch.setattr(socket, "getaddrinfo", addresses_of)
    return known


def test_a_name_is_believed_where_it_leads_back(service: dict[str, list[str]]) -> None:
    assert find_name("192.0.2.1") == "unknown"
    service["mx.example"] = ["192.0.2.9"]
    assert find_name("192.0.2.1") == "unknown"
    service["mx.example"] = ["192.0.2.9", "192.0.2.1"]
    assert find_name("192.0.2.1") == "mx.example"


@pytest.mark.parametrize("name", ["a b", "a\nb", "x" * 300, "-x", "(evil)"])
def test_what_is_no_name_is_not_believed(service: dict[str, list[str]], name: str) -> None:
    service[name] = ["192.0.2.1"]
    assert find_name("192.0.2.1") == "unknown"


def test_answers_are_remembered_and_bounded(service: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "KEPT_LIMIT", 2)
    service["mx.example"] = ["192.0.2.1", "192.0.2.2", "192.0.2.3"]

    async def ask() -> None:
        peers = PeerNames()
        assert peers.recall("192.0.2.1") is None
        for number in (1, 2, 3):
            assert await peers.find(f"192.0.2.{number}") == "mx.example"
        assert peers.recall("192.0.2.3") == "mx.example"
        assert peers.recall("192.0.2.1") is None
        peers.close()

    asyncio.run(ask())


def test_nobody_is_asked_where_that_is_off() -> None:
    assert PeerNames(asks=False).recall("192.0.2.1") == "unknown"
