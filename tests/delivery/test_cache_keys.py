"""What two requests must have in common to use one connection."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from typing import Any

import pytest

from mailrider.delivery.cache_keys import CacheKeys
from mailrider.delivery.hop import Hops
from mailrider.delivery.security import make_security
from mailrider.events import Event
from mailrider.model.request import DeliveryRequest, Envelope, Recipient
from mailrider.model.server import Family, Server
from mailrider.resolver.answer import Answer, HostAddresses, Search, Verdict
from mailrider.route.nexthop import Destination
from mailrider.spool.message import MemoryMessage
from mailrider.trust.policy import Policy

from .scene import profile_of

HERE = Destination("example.test", "example.test", 25, "25")
SERVER = Server("mx.example.test", "192.0.2.1", 25, Family.IPV4)
ENVELOPE = Envelope("a@example.test", (Recipient("b@example.test"),))
REQUEST = DeliveryRequest(ENVELOPE, MemoryMessage(b"x"), "example.test", service="smtp")
LOGIN = {
    "smtp_sasl_auth_enable": True,
    "smtp_sasl_password_maps": "inline:{{a@example.test = joe:x} {mx.example.test = jim:y}}",
    "smtp_sender_dependent_authentication": True,
}


class Clock:
    """A clock that stands still."""

    def monotonic_seconds(self) -> float:
        return 0.0

    def wall_seconds(self) -> float:
        return 0.0


class Silence:
    """A resolver of whom nobody gets an answer."""

    async def ask(self, name: str, types: tuple[str, ...], *, dnssec: bool = False, search: Search = Search.NONE) -> Answer:
        return Answer(Verdict.SOFT, reason="nobody answers")

    async def ask_host(self, host: str, family: object = None) -> HostAddresses:
        return HostAddresses((), "nobody answers", retry=True)


def keys_of(request: DeliveryRequest = REQUEST, **settings: Any) -> tuple[CacheKeys, Policy]:
    """The keys of a request, and what its server must prove."""
    events: list[Event] = []
    profile = profile_of(**settings)
    security = make_security(profile.settings, Silence(), Clock(), pytest.fail)
    hops = Hops(request, profile, security, events.append)
    hops.turn_to(HERE, None)
    policy = asyncio.run(hops.find_policy(SERVER))
    assert isinstance(policy, Policy)
    return CacheKeys(request, profile, hops), policy


def both_keys(request: DeliveryRequest = REQUEST, **settings: Any) -> tuple[Hashable, Hashable]:
    keys, policy = keys_of(request, **settings)
    keys.open_destination(HERE)
    return keys.destination, keys.of_endpoint(SERVER, policy)


def test_requests_that_would_open_the_same_connection_have_the_same_keys() -> None:
    assert both_keys() == both_keys(REQUEST._replace(queue_id="another"))


@pytest.mark.parametrize(
    "other",
    [
        REQUEST._replace(service="relay"),
        REQUEST._replace(envelope=ENVELOPE._replace(smtputf8=True)),
    ],
)
def test_what_differs_in_the_request_differs_in_both_keys(other: DeliveryRequest) -> None:
    destination, endpoint = both_keys()
    another, elsewhere = both_keys(other)
    assert destination != another
    assert endpoint != elsewhere


def test_terms_of_tls_are_those_of_an_endpoint() -> None:
    destination, endpoint = both_keys()
    another, elsewhere = both_keys(smtp_tls_security_level="encrypt")
    assert destination == another
    assert endpoint != elsewhere


def test_who_we_are_to_the_server_counts() -> None:
    ours = both_keys(**LOGIN)
    others = both_keys(REQUEST._replace(envelope=ENVELOPE._replace(sender="c@example.test")), **LOGIN)
    assert ours[0] != others[0]
    assert ours[1] != others[1]
    assert both_keys()[1] not in (ours[1], others[1])


def test_a_login_that_is_known_is_not_looked_up() -> None:
    keys, policy = keys_of(**LOGIN)
    assert "who we are" in keys.of_endpoint(SERVER, policy, "who we are")  # type: ignore[operator]


def test_before_its_destination_is_known_a_request_has_none() -> None:
    keys, _ = keys_of()
    assert keys.destination is None
    assert keys.nexthop() == ""
    keys.open_destination(HERE)
    assert keys.nexthop() == "example.test"
