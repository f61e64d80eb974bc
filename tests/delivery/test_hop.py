"""What servers must prove as one request meets them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from mailrider.delivery.hop import Hops
from mailrider.delivery.security import make_security
from mailrider.delivery.trouble import Failure
from mailrider.events import Event, Noted, Warned
from mailrider.model.request import DeliveryRequest, Envelope, Recipient
from mailrider.model.server import Family, Server
from mailrider.model.tls import TlsLevel
from mailrider.resolver.answer import Answer, HostAddresses, Search, Verdict
from mailrider.route.nexthop import Destination
from mailrider.spool.message import MemoryMessage
from mailrider.trust.policy import Policy, SourceKind

from .scene import profile_of

SERVER = Server("mx.example.com", "192.0.2.1", 25, Family.IPV4)
SOCKET = Server("me.example.test", "/run/lmtp", 0, Family.UNIX)
OLD = 100_000.0


class Clock:
    def monotonic_seconds(self) -> float:
        return 0.0

    def wall_seconds(self) -> float:
        return OLD


class Silence:
    async def ask(self, name: str, types: tuple[str, ...], *, dnssec: bool = False, search: Search = Search.NONE) -> Answer:
        return Answer(Verdict.SOFT, reason="nobody answers")

    async def ask_host(self, host: str, family: object = None) -> HostAddresses:
        return HostAddresses((), "nobody answers", retry=True)


class Way:
    """The hops of a request, and what was told."""

    def __init__(self, *, waited_seconds: float = 0.0, probe: bool = False, port: int = 25, **settings: Any) -> None:
        self.events: list[Event] = []
        profile = profile_of(**settings)
        envelope = Envelope("a@example.test", (Recipient("b@example.com"),))
        request = DeliveryRequest(
            envelope, MemoryMessage(b"x"), "example.com", arrival_seconds=OLD - waited_seconds, active_seconds=OLD, probe=probe
        )
        security = make_security(
            profile.settings, Silence(), Clock(), lambda text: self.events.append(Warned(text))
        )
        self.hops = Hops(request, profile, security, self.events.append)
        self.hops.turn_to(Destination("example.com", "example.com", port, str(port)), None)

    def choose(self, server: Server = SERVER) -> Policy | Failure | None:
        return asyncio.run(self.hops.choose_policy(server))

    def policy(self, server: Server = SERVER) -> Policy:
        chosen = self.choose(server)
        assert isinstance(chosen, Policy)
        return chosen

    @property
    def told(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, Noted | Warned)]


def test_a_policy_that_cannot_be_found_is_told_and_is_a_failure() -> None:
    way = Way(smtp_tls_policy_maps="static:bogus")
    chosen = way.choose()
    assert isinstance(chosen, Failure)
    assert (chosen.status, chosen.text) == ("4.7.5", "client TLS configuration problem")
    assert way.told[-1] == "TLS policy lookup for example.com/mx.example.com: client TLS configuration problem"


def test_a_server_that_a_policy_does_not_admit_is_passed_over() -> None:
    entry = "{secure match=x policy_type=sts policy_domain=example.com mx_host_pattern=*.example.net}"
    way = Way(smtp_tls_policy_maps=f"static:{entry}")
    assert way.choose() is None
    assert way.told == ["MX name 'mx.example.com' does not match STS MX pattern for 'example.com'"]
    assert way.choose(SERVER._replace(host="mx.example.net")) is not None


def test_clear_text_is_for_one_connection_after_tls_failed() -> None:
    way = Way(smtp_tls_security_level="may")
    way.hops.fall_back(SERVER)
    assert way.policy(SERVER._replace(address="192.0.2.2")).level is TlsLevel.MAY
    policy = way.policy()
    assert (policy.level, policy.source.kind) == (TlsLevel.NONE, SourceKind.FALLBACK)
    assert way.policy().level is TlsLevel.MAY


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, False),
        ({"waited_seconds": 299.0}, False),
        ({"waited_seconds": 300.0}, True),
        ({"probe": True}, True),
        ({"waited_seconds": 300.0, "smtp_tls_security_level": "encrypt"}, False),
        ({"waited_seconds": 300.0, "smtp_sasl_auth_enable": True, "smtp_sasl_password_maps": "static:u:p"}, False),
        ({"waited_seconds": 300.0, "smtp_sasl_auth_enable": True, "smtp_sasl_password_maps": "inline:{x=u:p}"}, True),
    ],
)
def test_who_may_fall_back(options: dict[str, Any], expected: bool) -> None:
    way = Way(**{"smtp_tls_security_level": "may", **options})
    assert way.hops.may_fall_back(way.policy(), SERVER) is expected


def test_optional_tls_makes_no_sense_over_a_unix_domain_socket() -> None:
    way = Way(smtp_tls_security_level="may")
    assert way.policy(SOCKET).level is TlsLevel.NONE
    assert way.told == ["opportunistic TLS encryption is not appropriate for unix-domain destinations."]
    assert Way(smtp_tls_security_level="encrypt").policy(SOCKET).level is TlsLevel.ENCRYPT


def test_port_465_without_its_mode_is_told() -> None:
    assert "SMTPS wrappermode (TCP port 465)" in Way(port=465).told[0]
    assert not Way(port=465, smtp_tls_wrappermode=True, smtp_tls_security_level="encrypt").told
    assert not Way(port=465, helpful_warnings=False).told
