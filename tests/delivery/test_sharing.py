"""Connections that agents in several processes share; here they are in one, and a list stands for what is between them."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from mailrider.delivery.shared_cache import Facts, Found, Place, SharedCache, take_socket
from mailrider.model.tls import TlsLevel
from mailrider.testkit.authority import make_root
from mailrider.testkit.peers import ScriptedServer
from mailrider.testkit.rules import Rule
from virtual_time import run

from .scene import Scene, at, nobody, server_of, statuses

KEPT = {"smtp_connection_cache_destinations": "static:all", "smtp_connection_reuse_time_limit": "300s"}


class Between(SharedCache):
    """Keeps connections by what they were kept under; `change` is what becomes of their facts."""

    def __init__(self) -> None:
        self.kept: list[tuple[int, Place, Facts]] = []
        self.asked: list[Place] = []
        self.change: Callable[[Facts], Facts] = lambda facts: facts
        self.available = True

    @property
    def is_available(self) -> bool:
        return self.available

    async def save(self, descriptor: int, place: Place, facts: Facts, idle_seconds: float) -> None:
        assert idle_seconds > 0
        self.kept.append((os.dup(descriptor), place, facts))

    async def find_destination(self, place: Place) -> Found | None:
        self.asked.append(place)
        return self._take(lambda kept: bool(kept.nexthop) and kept.nexthop == place.nexthop)

    async def find_endpoint(self, place: Place) -> Found | None:
        self.asked.append(place)
        return self._take(lambda kept: kept[4:] == place[4:])

    def _take(self, fits: Callable[[Place], bool]) -> Found | None:
        for entry in self.kept:
            if fits(entry[1]):
                self.kept.remove(entry)
                return Found(entry[0], self.change(entry[2]))
        return None

    def close(self) -> None:
        while self.kept:
            os.close(self.kept.pop()[0])


Act = Callable[[Scene, Scene, ScriptedServer, Between], Awaitable[None]]


def play(
    act: Act, *rules: Rule, first: dict[str, Any] | None = None, second: dict[str, Any] | None = None, **of_peer: Any
) -> None:
    """Two agents with one cache between them, and a server."""

    async def main() -> None:
        between = Between()
        async with ScriptedServer(*rules, **of_peer) as peer:
            routes = {"example.org": [nobody(), server_of(peer, "mx2.example.test", 20)], "plain.test": [server_of(peer)]}
            settings: dict[str, Any] = {"routes": routes, "shared": between, **KEPT}
            async with Scene(**settings, **(first or {})) as one, Scene(**settings, **(second or {})) as another:
                await act(one, another, peer, between)
                between.close()
            await peer.wait_until_alone()

    run(main())


def test_a_connection_goes_from_one_to_the_other_and_back() -> None:
    async def act(one: Scene, another: Scene, peer: ScriptedServer, between: Between) -> None:
        for use, agent in enumerate((one, another, one), 1):
            report = await agent.deliver(at(peer))
            assert statuses(report) == ["sent 2.0.0"]
            assert report.outcomes[0] is not None
            assert report.outcomes[0].connection_use == use
        assert [place.nexthop for _, place, _ in between.kept] == [at(peer)]
        assert [facts.reuses for _, _, facts in between.kept] == [2]
        assert len(peer.sessions) == 1
        verbs = [command[:4] for command in peer.sessions[0].commands]
        assert (verbs.count("RSET"), verbs.count("EHLO")) == (2, 1)

    play(act)


def test_what_a_destination_led_to_is_found_without_trying_the_dead_ones_again() -> None:
    async def act(one: Scene, another: Scene, peer: ScriptedServer, between: Between) -> None:
        await one.deliver("example.org")
        assert one.failed_connections
        report = await another.deliver("example.org")
        assert not another.failed_connections
        assert report.outcomes[0] is not None
        assert report.outcomes[0].relay == f"mx2.example.test[127.0.0.1]:{peer.port}"

    play(act)


def test_another_destination_finds_it_by_its_address() -> None:
    async def act(one: Scene, another: Scene, peer: ScriptedServer, between: Between) -> None:
        await one.deliver("example.org")
        report = await another.deliver("plain.test")
        assert report.outcomes[0] is not None
        assert report.outcomes[0].relay == f"mx.example.test[127.0.0.1]:{peer.port}"
        assert report.outcomes[0].connection_use == 2

    play(act)


def test_a_name_that_leads_elsewhere_meanwhile_does_not_spoil_what_was_kept() -> None:
    async def act(one: Scene, another: Scene, peer: ScriptedServer, between: Between) -> None:
        await one.deliver("plain.test")
        another.directory.routes["plain.test"] = [server_of(peer)._replace(address="127.0.0.9", host="new.example.test")]
        report = await another.deliver("plain.test")
        assert report.outcomes[0] is not None
        assert report.outcomes[0].relay == f"mx.example.test[127.0.0.1]:{peer.port}"

    play(act)


def test_one_that_is_dead_is_no_harm() -> None:
    async def act(one: Scene, another: Scene, peer: ScriptedServer, between: Between) -> None:
        await one.deliver(at(peer))
        with socket.socket(fileno=os.dup(between.kept[0][0])) as kept:
            kept.shutdown(socket.SHUT_RDWR)
        report = await another.deliver(at(peer))
        assert statuses(report) == ["sent 2.0.0"]
        assert report.outcomes[0] is not None
        assert report.outcomes[0].connection_use == 1
        assert len(peer.sessions) == 2

    play(act)


def test_a_cache_that_is_away_leaves_each_his_own() -> None:
    async def act(one: Scene, another: Scene, peer: ScriptedServer, between: Between) -> None:
        between.available = False
        for agent, use in ((one, 1), (another, 1), (one, 2)):
            report = await agent.deliver(at(peer))
            assert report.outcomes[0] is not None
            assert report.outcomes[0].connection_use == use
        assert not between.kept

    play(act)


@pytest.mark.parametrize(
    "change",
    [
        lambda facts: facts._replace(level=TlsLevel.MAY),
        lambda facts: facts._replace(expires_seconds=facts.expires_seconds - 301),
    ],
    ids=["another level", "too old"],
)
def test_what_does_not_fit_is_closed_and_not_used(change: Callable[[Facts], Facts]) -> None:
    async def act(one: Scene, another: Scene, peer: ScriptedServer, between: Between) -> None:
        between.change = change
        await one.deliver(at(peer))
        report = await another.deliver(at(peer))
        assert statuses(report) == ["sent 2.0.0"]
        assert len(peer.sessions) == 2

    play(act)


def test_mail_that_needs_smtputf8_does_not_go_where_it_is_unknown() -> None:
    async def act(one: Scene, another: Scene, peer: ScriptedServer, between: Between) -> None:
        await one.deliver(at(peer))
        report = await another.deliver(at(peer), smtputf8=True, sender="ä@example.test")
        assert "SMTPUTF8 is required" in str(report.outcomes)

    play(act)


def test_what_a_server_can_goes_along() -> None:
    async def act(one: Scene, another: Scene, peer: ScriptedServer, between: Between) -> None:
        await one.deliver(at(peer))
        await another.deliver(at(peer), envid="e1")
        envelopes = [command for command in peer.sessions[0].commands if command.startswith("MAIL")]
        assert ["ENVID=e1" in command for command in envelopes] == [False, True]
        assert ["SIZE=" in command for command in envelopes] == [True, True]

    play(act, Rule(match="^EHLO", reply=("250-mx", "250-PIPELINING", "250-SIZE 1000000", "250-DSN", "250 8BITMIME")))


def test_a_login_is_not_shared(tmp_path: Path) -> None:
    async def act(one: Scene, another: Scene, peer: ScriptedServer, between: Between) -> None:
        await one.deliver(at(peer))
        assert not between.kept
        assert not between.asked or all(place.logs_in for place in between.asked)
        await another.deliver(at(peer))
        assert len(peer.sessions) == 2
        await one.deliver(at(peer))
        assert len(peer.sessions) == 2

    login = {
        "smtp_sasl_auth_enable": "yes", "smtp_sasl_password_maps": "static:me:secret", "smtp_sasl_security_options": "",
    }  # fmt: skip
    rules = (Rule(match="^EHLO", reply=("250-mx", "250 AUTH PLAIN")), Rule(match="^AUTH", reply="235 2.7.0 welcome"))
    play(act, *rules, first=login, second=login)


def test_tls_is_not_shared(tmp_path: Path) -> None:
    root = make_root("Root")
    context: ssl.SSLContext = root.issue("mx", addresses=["127.0.0.1"]).server_context(tmp_path)

    async def act(one: Scene, another: Scene, peer: ScriptedServer, between: Between) -> None:
        await one.deliver(at(peer))
        assert not between.kept
        await another.deliver(at(peer))
        assert [session.encrypted_from is not None for session in peer.sessions] == [True, True]

    may = {"smtp_tls_security_level": "may", "smtp_tls_connection_reuse": "yes"}
    play(act, first=may, second=may, tls=context)


def test_level_may_without_tls_is_shared_as_such() -> None:
    async def act(one: Scene, another: Scene, peer: ScriptedServer, between: Between) -> None:
        await one.deliver(at(peer))
        assert [(place.level, facts.level) for _, place, facts in between.kept] == [(TlsLevel.MAY, TlsLevel.MAY)]
        await another.deliver(at(peer))
        assert len(peer.sessions) == 1

    may = {"smtp_tls_security_level": "may"}
    play(act, first=may, second=may)


def test_a_descriptor_that_is_none_of_a_connection_is_closed() -> None:
    read, write = os.pipe()
    os.close(write)
    assert take_socket(read) is None
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        descriptor = os.dup(datagrams.fileno())
    assert take_socket(descriptor) is None
    for closed in (read, descriptor):
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(closed)
