"""Logging in to Dovecot's submission service, with every mechanism that both of us have."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from mailrider.events import Warned
from mailrider.testkit.peers import ScriptedServer
from peers.dovecot import PASSWORD, Dovecot, why_not

from .scene import Scene, brief

if why_not():
    pytest.skip(why_not(), allow_module_level=True)

DELIVERY_SECONDS = 60.0


@pytest.fixture(scope="module")
def dovecot() -> Iterator[Dovecot]:
    instance = Dovecot()
    try:
        yield instance
    finally:
        instance.stop()


def deliver(dovecot: Dovecot, mechanism: str, password: str = PASSWORD) -> tuple[str, list[str], list[str]]:
    """The outcome, the senders that the relay heard, and the warnings."""

    async def main() -> tuple[str, list[str], list[str]]:
        await dovecot.wait_until_it_listens()
        settings = {
            "smtp_sasl_auth_enable": True,
            "smtp_sasl_password_maps": "static:user:" + password,
            "smtp_sasl_security_options": "noanonymous",
            "smtp_sasl_mechanism_filter": mechanism,
        }
        async with ScriptedServer(port=dovecot.relay_port) as relay:
            async with Scene(**settings) as scene:
                report = await scene.deliver(f"[127.0.0.1]:{dovecot.port}")
                warnings = [event.text for event in scene.told(Warned)]
            senders = [message.sender for session in relay.sessions for message in session.messages]
            return brief(report)[0], senders, warnings

    return asyncio.run(asyncio.wait_for(main(), DELIVERY_SECONDS))


MECHANISMS = ["PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"]


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_dovecot_lets_us_in(dovecot: Dovecot, mechanism: str) -> None:
    outcome, senders, warnings = deliver(dovecot, mechanism)
    assert outcome.startswith("sent 2."), dovecot.log
    assert senders == ["a@example.test"]
    assert warnings == []


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_but_not_with_another_password(dovecot: Dovecot, mechanism: str) -> None:
    outcome, senders, _ = deliver(dovecot, mechanism, "guess")
    assert outcome.startswith("deferred 4.7.8 SASL authentication failed; server 127.0.0.1[127.0.0.1] said: 535 5.7.8")
    assert senders == []


def test_the_strongest_is_taken_of_its_own_accord(dovecot: Dovecot) -> None:
    outcome, senders, _ = deliver(dovecot, "static:all")
    assert outcome.startswith("sent 2."), dovecot.log
    assert senders == ["a@example.test"]
    assert "guess" not in dovecot.log
