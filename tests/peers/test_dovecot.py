"""TLS and logins at Dovecot's submission service: STARTTLS, TLS from the beginning, passwords inside either."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from delivery.scene import Scene, brief
from mailrider.events import TlsEstablished, Warned
from mailrider.model.server import Family, Server
from mailrider.model.tls import Standing, TlsFacts
from mailrider.testkit.authority import make_root
from mailrider.testkit.peers import ScriptedServer

from .dovecot import PASSWORD, Dovecot, why_not

if why_not():
    pytest.skip(why_not(), allow_module_level=True)

DELIVERY_SECONDS = 60.0
NAME = "submission.example.test"
ROOT = make_root("Root")
SERVER = ROOT.issue(NAME, [NAME])

LOGIN: dict[str, object] = {
    "smtp_sasl_auth_enable": True,
    "smtp_sasl_password_maps": f"static:user:{PASSWORD}",
    "smtp_sasl_security_options": "noplaintext, noanonymous",
    "smtp_sasl_tls_security_options": "noanonymous",
}


@pytest.fixture(scope="module")
def dovecot() -> Iterator[Dovecot]:
    instance = Dovecot(SERVER)
    try:
        yield instance
    finally:
        instance.stop()


class Told(NamedTuple):
    """What came of a delivery.  `senders` is who the relay behind Dovecot heard of."""

    outcome: str
    senders: list[str]
    facts: list[TlsFacts]
    warnings: list[str]


def deliver(dovecot: Dovecot, folder: Path, *, wrapper: bool = False, times: int = 1, **settings: object) -> Told:
    """So many messages, one after the other, to the server as `NAME`."""
    (folder / "root.pem").write_bytes(ROOT.pem)
    port = dovecot.wrapper_port if wrapper else dovecot.port
    known = {
        **LOGIN, "smtp_tls_CAfile": folder / "root.pem", "smtp_tls_secure_cert_match": "hostname",
        "smtp_tls_loglevel": "1", "smtp_tls_wrappermode": wrapper, **settings,
    }  # fmt: skip

    async def main() -> Told:
        await dovecot.wait_until_it_listens()
        routes = {"dest.test": [Server(NAME, "127.0.0.1", port, Family.IPV4)]}
        async with ScriptedServer(port=dovecot.relay_port) as relay, Scene(routes=routes, **known) as scene:
            for _ in range(times):
                report = await scene.deliver("dest.test")
            senders = [message.sender for session in relay.sessions for message in session.messages]
            facts = [event.facts for event in scene.told(TlsEstablished)]
            return Told(brief(report)[0], senders, facts, [event.text for event in scene.told(Warned)])

    return asyncio.run(asyncio.wait_for(main(), DELIVERY_SECONDS))


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"])
@pytest.mark.parametrize("wrapper", [False, True], ids=["STARTTLS", "from the beginning"])
def test_every_mechanism_lets_us_in_through_tls(dovecot: Dovecot, tmp_path: Path, mechanism: str, wrapper: bool) -> None:
    settings = {"smtp_sasl_mechanism_filter": mechanism, "smtp_tls_security_level": "secure"}
    told = deliver(dovecot, tmp_path, wrapper=wrapper, **settings)
    assert told.outcome.startswith("sent 2."), dovecot.log
    assert told.senders == ["a@example.test"]
    assert [facts.verified for facts in told.facts] == [True]
    assert told.warnings == []


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256"])
def test_another_password_does_not(dovecot: Dovecot, tmp_path: Path, mechanism: str) -> None:
    settings = {"smtp_sasl_mechanism_filter": mechanism, "smtp_tls_security_level": "encrypt"}
    told = deliver(dovecot, tmp_path, smtp_sasl_password_maps="static:user:guess", **settings)
    assert told.outcome.startswith(f"deferred 4.7.8 SASL authentication failed; server {NAME}[127.0.0.1] said: 535 5.7.8")
    assert told.senders == []


def test_a_password_that_goes_through_tls_does_not_go_in_clear(dovecot: Dovecot, tmp_path: Path) -> None:
    """Dovecot takes any password from its own machine; it is we who do not say it."""
    settings = {"smtp_sasl_mechanism_filter": "PLAIN", "smtp_tls_security_level": "none"}
    told = deliver(dovecot, tmp_path, **settings)
    refusal = f"SASL authentication failed; cannot authenticate to server {NAME}[127.0.0.1]: no mechanism available"
    assert told.outcome == f"deferred 4.7.0 {refusal}"
    assert told.senders == []
    assert told.facts == []
    told = deliver(dovecot, tmp_path, **settings | {"smtp_tls_security_level": "encrypt"})
    assert told.senders == ["a@example.test"]


@pytest.mark.parametrize("wrapper", [False, True], ids=["STARTTLS", "from the beginning"])
def test_a_stranger_with_our_servers_name_does_not_learn_the_password(
    dovecot: Dovecot, tmp_path: Path, wrapper: bool
) -> None:
    logged = len(dovecot.log)
    (tmp_path / "other.pem").write_bytes(make_root("Other").pem)
    settings = {"smtp_tls_security_level": "verify", "smtp_tls_CAfile": tmp_path / "other.pem"}
    told = deliver(dovecot, tmp_path, wrapper=wrapper, **settings)
    assert told.outcome == "deferred 4.7.5 Server certificate not verified"
    assert told.facts[0].peer.standing is Standing.UNTRUSTED
    assert "user=<user>" not in dovecot.log[logged:]


def test_a_server_that_resumes_no_session_proves_itself_each_time(dovecot: Dovecot, tmp_path: Path) -> None:
    settings = {"smtp_tls_security_level": "secure", "smtp_tls_session_cache_database": "memory:"}
    told = deliver(dovecot, tmp_path, times=3, **settings)
    assert told.outcome.startswith("sent 2.")
    assert told.senders == ["a@example.test"] * 3
    assert all(facts.verified for facts in told.facts)
    assert [facts.resumed for facts in told.facts] == [False] * 3
