"""Logging in to Cyrus IMAP's lmtpd: SCRAM that is bound to the TLS connection (RFC 5802 §6, RFC 5929)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from delivery.scene import Scene, brief
from mailrider.delivery import login
from mailrider.delivery.session import Session
from mailrider.events import TlsEstablished
from mailrider.model.request import Transport
from mailrider.sasl.mechanism import ChannelBinding
from mailrider.testkit.authority import make_root

from .cyrus import PASSWORD, USER, Cyrus, why_not

if why_not():
    pytest.skip(why_not(), allow_module_level=True)

DELIVERY_SECONDS = 120.0
SERVER = make_root("Root").issue("mx.example.test", ["mx.example.test"])
LOGGED_IN = "5.1.1"
"""There is no mailbox; who has not logged in does not get to hear that."""


@pytest.fixture(scope="module")
def cyrus() -> Iterator[Cyrus]:
    instance = Cyrus(SERVER)
    try:
        yield instance
    finally:
        instance.stop()


def deliver(cyrus: Cyrus, mechanism: str, *, password: str = PASSWORD, protocols: str = "TLSv1.2") -> tuple[str, str]:
    """The outcome and the version of TLS."""
    settings = {
        "lmtp_sasl_auth_enable": True, "lmtp_sasl_password_maps": f"static:{USER}:{password}",
        "lmtp_sasl_security_options": "noplaintext", "lmtp_sasl_tls_security_options": "noplaintext",
        "lmtp_sasl_mechanism_filter": mechanism, "lmtp_tls_security_level": "encrypt",
        "lmtp_tls_mandatory_protocols": protocols,
    }  # fmt: skip

    async def main() -> tuple[str, str]:
        await cyrus.wait_until_it_listens()
        async with Scene(Transport.LMTP, **settings) as scene:
            report = await scene.deliver(f"[127.0.0.1]:{cyrus.port}")
            return brief(report)[0], next(event.facts.protocol for event in scene.told(TlsEstablished))

    return asyncio.run(asyncio.wait_for(main(), DELIVERY_SECONDS))


BOUND = ["SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS"]
UNBOUND = ["SCRAM-SHA-1", "SCRAM-SHA-256"]


@pytest.mark.parametrize("mechanism", [*BOUND, *UNBOUND, "static:all"])
def test_the_password_lets_us_in(cyrus: Cyrus, mechanism: str) -> None:
    outcome, protocol = deliver(cyrus, mechanism)
    assert LOGGED_IN in outcome, outcome
    assert protocol == "TLSv1.2"


@pytest.mark.parametrize("mechanism", BOUND)
def test_another_password_does_not(cyrus: Cyrus, mechanism: str) -> None:
    outcome, _ = deliver(cyrus, mechanism, password="guess")
    assert "SASL authentication failed" in outcome
    assert LOGGED_IN not in outcome


@pytest.mark.parametrize("mechanism", BOUND)
def test_somebody_in_the_middle_does_not_get_in_with_our_password(
    cyrus: Cyrus, mechanism: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What we say is bound to our connection; on another one the server does not take it, the right password or not."""

    def find_others(session: Session) -> tuple[ChannelBinding, ...]:
        return tuple(ChannelBinding(each.kind, each.octets[::-1]) for each in find(session))

    find = login.find_bindings
    monkeypatch.setattr(login, "find_bindings", find_others)
    outcome, _ = deliver(cyrus, mechanism)
    assert "SASL authentication failed" in outcome
    assert LOGGED_IN not in outcome


@pytest.mark.parametrize(("mechanism", "is_in"), [("static:all", True), *((name, False) for name in BOUND)])
def test_under_tls_1_3_it_knows_the_wrong_binding(cyrus: Cyrus, mechanism: str, is_in: bool) -> None:
    """It offers -PLUS and means tls-unique, which TLS 1.3 does not have (RFC 9266 §1): without a binding it lets us in."""
    outcome, protocol = deliver(cyrus, mechanism, protocols="TLSv1.3")
    assert protocol == "TLSv1.3"
    assert (LOGGED_IN in outcome) is is_in, outcome
