from __future__ import annotations

import pytest

from mailrider.delivery import peers
from mailrider.delivery.peers import MEMORY_SECONDS, Failing, PeerMemory
from mailrider.model.server import Family, Server


class Clock:
    def __init__(self) -> None:
        self.seconds = 100.0

    def monotonic_seconds(self) -> float:
        return self.seconds

    def wall_seconds(self) -> float:
        raise AssertionError("the calendar may jump")


def server(number: int, port: int = 25, host: str = "mx.test") -> Server:
    return Server(host, f"192.0.2.{number}", port, Family.IPV4)


def test_a_server_is_known_by_its_address_and_port() -> None:
    memory = Failing(Clock())
    memory.remember(server(1))
    assert memory.knows(server(1))
    assert memory.knows(server(1, host="other.test"))
    assert not memory.knows(server(1, port=24))
    assert not memory.knows(server(2))


def test_it_may_have_been_mended_by_tomorrow() -> None:
    clock = Clock()
    memory = Failing(clock)
    memory.remember(server(1))
    clock.seconds += MEMORY_SECONDS - 1
    assert memory.knows(server(1))
    clock.seconds += 1
    assert not memory.knows(server(1))
    memory.remember(server(1))
    assert memory.knows(server(1))


def test_those_that_failed_longest_ago_are_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "PEERS_LIMIT", 3)
    memory = Failing(Clock())
    for number in (1, 2, 3, 1, 4):
        memory.remember(server(number))
    assert [number for number in range(5) if memory.knows(server(number))] == [1, 3, 4]


def test_what_a_server_fails_in_is_kept_apart() -> None:
    memory = PeerMemory(Clock())
    memory.no_bdat.remember(server(1))
    memory.no_stream.remember(server(2))
    assert [memory.no_bdat.knows(server(number)) for number in (1, 2)] == [True, False]
    memory.no_dsn.remember(server(3))
    assert [memory.no_stream.knows(server(number)) for number in (1, 2)] == [False, True]
    assert [memory.no_dsn.knows(server(number)) for number in (1, 2, 3)] == [False, False, True]
