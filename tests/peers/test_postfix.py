"""TLS and logins at Postfix's own SMTP server: every level, names, strangers, our certificate, protocols, sessions.

What the server thinks of a connection is read in its log.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID
from tests.ports import free_port

from delivery.scene import Scene, brief
from mailrider.events import TlsEstablished
from mailrider.model.request import Recipient
from mailrider.model.server import Family, Server
from mailrider.model.tls import Standing, TlsFacts
from mailrider.testkit.authority import make_root
from mailrider.tls.certificate import fingerprint
from postfix import instance
from postfix.instance import Postfix

from . import dovecot

if instance.why_not():
    pytest.skip(instance.why_not(), allow_module_level=True)

DELIVERY_SECONDS = 60.0
NAME = "mx.dest.test"
ROOT, STRANGER = make_root("Root"), make_root("Stranger")
SERVER = ROOT.issue(NAME, [NAME])
IMPOSTOR = STRANGER.issue(NAME, [NAME])
CLIENT = ROOT.issue("client.example.test", purposes=[ExtendedKeyUsageOID.CLIENT_AUTH])

WORLD = {
    "plain": "smtpd_tls_security_level=none",
    "tls": "smtpd_tls_security_level=may",
    "impostor": "smtpd_tls_chain_files={folder}/impostor.pem",
    "1.2": "smtpd_tls_protocols=TLSv1.2",
    "1.3": "smtpd_tls_protocols=TLSv1.3",
    "wrapper": "smtpd_tls_wrappermode=yes",
    "asks": "smtpd_tls_ask_ccert=yes",
    "requires": "smtpd_tls_req_ccert=yes smtpd_tls_security_level=encrypt",
    "login": "smtpd_sasl_auth_enable=yes smtpd_tls_auth_only=yes smtpd_recipient_restrictions=permit_sasl_authenticated,reject",
}
"""The ports of the server, and what is special about each."""

SETTINGS = {
    "smtpd_tls_security_level": "may",
    "smtpd_tls_loglevel": "2",
    "smtpd_sasl_type": "dovecot",
    "smtpd_sasl_security_options": "noanonymous",
    "smtpd_relay_restrictions": "permit_mynetworks, permit_sasl_authenticated, reject",
}


class World(NamedTuple):
    """A Postfix with a port for each purpose, and the Dovecot that it asks about passwords (None: not installed)."""

    postfix: Postfix
    ports: dict[str, int]
    dovecot: dovecot.Dovecot | None
    folder: Path


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with tempfile.TemporaryDirectory(prefix="mailrider-certificates-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        SERVER.write(folder, "server")
        IMPOSTOR.write(folder, "impostor")
        CLIENT.write(folder, "client")
        (folder / "root.pem").write_bytes(ROOT.pem)
        (folder / "stranger.pem").write_bytes(STRANGER.pem)
        keeper = dovecot.Dovecot() if not dovecot.why_not() else None
        ports = {purpose: free_port() for purpose in WORLD}
        services = [
            f"127.0.0.1:{ports[purpose]} inet n - n - - smtpd"
            + "".join(f" -o {option.format(folder=folder)}" for option in options.split()) + "\n"
            for purpose, options in WORLD.items()
        ]  # fmt: skip
        settings = {
            **SETTINGS,
            "smtpd_tls_chain_files": str(folder / "server.pem"),
            "smtpd_tls_CAfile": str(folder / "root.pem"),
            "smtpd_sasl_path": str(keeper.auth) if keeper is not None else "nobody",
        }
        try:
            with Postfix({"dest.test": "discard:"}, services, settings) as postfix:
                yield World(postfix, ports, keeper, folder)
        finally:
            if keeper is not None:
                keeper.stop()


class Told(NamedTuple):
    """What came of a delivery: the outcome, what TLS has shown, and what the server wrote into its log meanwhile."""

    outcome: str
    facts: list[TlsFacts]
    log: str


def deliver(world: World, purpose: str, level: str, *, times: int = 1, **settings: object) -> Told:
    """So many messages, one after the other, to the server as `NAME`."""
    known: dict[str, Any] = {
        "smtp_tls_security_level": level, "smtp_tls_CAfile": world.folder / "root.pem", "smtp_tls_loglevel": "1", **settings,
    }  # fmt: skip
    logged = len(world.postfix.log_text())

    async def main() -> tuple[str, list[TlsFacts]]:
        routes = {NAME: [Server(NAME, "127.0.0.1", world.ports[purpose], Family.IPV4)]}
        async with Scene(routes=routes, **known) as scene:
            for _ in range(times):
                report = await scene.deliver(NAME, Recipient("b@dest.test"), sender="a@origin.test")
            return brief(report)[0], [event.facts for event in scene.told(TlsEstablished)]

    outcome, facts = asyncio.run(asyncio.wait_for(main(), DELIVERY_SECONDS))
    def all_connections_have_ended() -> bool:
        # All of them: a line of one delivery that came late would else count for the next.
        log = world.postfix.log_text()
        begun, ended = log.count(": connect from"), log.count(": disconnect from")
        return begun == ended and log[logged:].count(": connect from") >= times

    world.postfix.wait_for(all_connections_have_ended, "the end of the connections")
    return Told(outcome, facts, world.postfix.log_text()[logged:])


SHA256 = {"smtp_tls_fingerprint_digest": "sha256"}
LEVELS: dict[str, dict[str, object]] = {
    "may": {},
    "encrypt": {},
    "verify": {},
    "secure": {"smtp_tls_secure_cert_match": "nexthop"},
    "fingerprint": {"smtp_tls_fingerprint_cert_match": fingerprint(SERVER.key_der, "sha256"), **SHA256},
}
OTHER: dict[str, dict[str, object]] = {
    "verify": {"smtp_tls_verify_cert_match": "other.test"},
    "secure": {"smtp_tls_secure_cert_match": "other.test"},
    "fingerprint": {"smtp_tls_fingerprint_cert_match": "AB" * 32, **SHA256},
}
"""The same with the name, or the key, of somebody else."""


@pytest.mark.parametrize("level", LEVELS)
def test_the_right_server_gets_the_mail_at_every_level(world: World, level: str) -> None:
    told = deliver(world, "tls", level, **LEVELS[level])
    assert told.outcome.startswith("sent 2.0.0 250 2.0.0 Ok"), told.log
    (facts,) = told.facts
    assert facts.verified is (level in OTHER)
    assert facts.peer.standing is (Standing.VERIFIED if level in OTHER else Standing.TRUSTED)
    assert "Anonymous TLS connection established from unknown[127.0.0.1]: TLSv1.3 with cipher" in told.log


@pytest.mark.parametrize("level", OTHER)
def test_a_server_of_another_name_or_key_does_not(world: World, level: str) -> None:
    told = deliver(world, "tls", level, **OTHER[level])
    assert told.outcome == "deferred 4.7.5 Server certificate not verified"
    assert "mail=" not in told.log


@pytest.mark.parametrize(("level", "arrives"), [("may", True), ("encrypt", True), ("verify", False), ("secure", False)])
def test_a_server_that_a_stranger_vouches_for(world: World, level: str, arrives: bool) -> None:
    told = deliver(world, "impostor", level, **LEVELS[level])
    assert told.facts[0].peer.standing is Standing.UNTRUSTED
    assert told.outcome.startswith("sent 2.0.0") is arrives
    assert ("mail=1" in told.log) is arrives
    # Whoever trusts the stranger is told the same name by him.
    told = deliver(world, "impostor", level, **LEVELS[level], smtp_tls_CAfile=world.folder / "stranger.pem")
    assert told.outcome.startswith("sent 2.0.0")


@pytest.mark.parametrize("level", ["may", *LEVELS])
def test_a_server_without_tls(world: World, level: str) -> None:
    told = deliver(world, "plain", level, **LEVELS[level])
    if level == "may":
        assert told.outcome.startswith("sent 2.0.0")
    else:
        assert told.outcome == f"deferred 4.7.4 TLS is required, but was not offered by host {NAME}[127.0.0.1]"
    assert told.facts == []
    assert ("mail=1" in told.log) is (level == "may")


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_one_version_only(world: World, version: str) -> None:
    told = deliver(world, version, "verify")
    assert told.facts[0].protocol == f"TLSv{version}"
    assert told.outcome.startswith("sent 2.0.0")
    assert f"TLSv{version} with cipher" in told.log
    other = "TLSv1.3" if version == "1.2" else "TLSv1.2"
    told = deliver(world, version, "encrypt", smtp_tls_mandatory_protocols=other)
    assert told.outcome == "deferred 4.7.5 Cannot start TLS: handshake failure"
    assert told.facts == []


def test_tls_from_the_beginning(world: World) -> None:
    told = deliver(world, "wrapper", "verify", smtp_tls_wrappermode=True)
    assert told.outcome.startswith("sent 2.0.0")
    assert told.facts[0].verified
    assert "starttls=" not in told.log


@pytest.mark.parametrize("purpose", ["asks", "requires"])
@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_the_server_would_like_to_know_who_we_are(world: World, purpose: str, version: str) -> None:
    settings = {"smtp_tls_chain_files": world.folder / "client.pem", "smtp_tls_mandatory_protocols": version}
    told = deliver(world, purpose, "encrypt", **settings)
    assert told.outcome.startswith("sent 2.0.0"), told.log
    assert "Trusted TLS connection established from" in told.log
    assert "subject_CN=client.example.test" in told.log


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_we_have_nothing_to_show(world: World, version: str) -> None:
    told = deliver(world, "asks", "encrypt", smtp_tls_mandatory_protocols=version)
    assert told.outcome.startswith("sent 2.0.0")
    told = deliver(world, "requires", "encrypt", smtp_tls_mandatory_protocols=version)
    assert told.outcome.startswith("deferred 4."), told.outcome
    assert "mail=1" not in told.log


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_the_server_sees_its_session_again(world: World, version: str) -> None:
    settings = {"smtp_tls_session_cache_database": "memory:", "smtp_tls_mandatory_protocols": version}
    told = deliver(world, "tls", "verify", times=3, **settings)
    assert told.outcome.startswith("sent 2.0.0")
    assert [facts.resumed for facts in told.facts] == [False, True, True], told.log
    assert [facts.verified for facts in told.facts] == [True] * 3
    assert told.log.count("Reusing old session") == 2


LOGIN = {"smtp_sasl_auth_enable": True, "smtp_sasl_tls_security_options": "noanonymous"}


@pytest.mark.skipif(bool(dovecot.why_not()), reason=dovecot.why_not())
@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256"])
def test_a_login(world: World, mechanism: str) -> None:
    settings = {**LOGIN, "smtp_sasl_mechanism_filter": mechanism}
    told = deliver(world, "login", "verify", smtp_sasl_password_maps=f"static:user:{dovecot.PASSWORD}", **settings)
    assert told.outcome.startswith("sent 2.0.0"), told.log
    assert f"sasl_method={mechanism}, sasl_username=user" in told.log
    told = deliver(world, "login", "verify", smtp_sasl_password_maps="static:user:guess", **settings)
    assert told.outcome.startswith(f"deferred 4.7.8 SASL authentication failed; server {NAME}[127.0.0.1] said: 535 5.7.8")
    assert "guess" not in told.outcome
    assert "mail=1" not in told.log


@pytest.mark.skipif(bool(dovecot.why_not()), reason=dovecot.why_not())
@pytest.mark.parametrize("level", ["verify", "encrypt"])
def test_the_command(world: World, tmp_path: Path, level: str) -> None:
    """`mailrider deliver` from end to end: policies and passwords out of tables, TLS, a login, a message."""
    message = tmp_path / "message"
    message.write_bytes(b"Subject: x\n\ntext\n")
    nexthop = f"[127.0.0.1]:{world.ports['login']}"
    (tmp_path / "policies").write_text(f"{nexthop} {level} match={NAME}\n" if level == "verify" else f"{nexthop} {level}\n")
    (tmp_path / "passwords").write_text(f"{nexthop} user:{dovecot.PASSWORD}\n")
    (tmp_path / "main.cf").write_text(
        f"smtp_tls_policy_maps = texthash:{tmp_path}/policies\nsmtp_tls_CAfile = {world.folder}/root.pem\n"
        f"smtp_sasl_password_maps = texthash:{tmp_path}/passwords\nsmtp_sasl_auth_enable = yes\n"
        "smtp_sasl_tls_security_options = noanonymous\nsmtp_tls_loglevel = 1\nmyhostname = client.example.test\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "mailrider", "deliver", "-c", str(tmp_path), "--nexthop", nexthop,
         "--sender", "a@origin.test", "--recipient", "b@dest.test", str(message)],
        capture_output=True, timeout=DELIVERY_SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    row = json.loads(done.stdout)
    assert (row["status"], row["dsn"], row["relay"]) == ("sent", "2.0.0", f"127.0.0.1{nexthop}")
    log = done.stderr.decode()
    standing = "Verified" if level == "verify" else "Trusted"
    assert f"{standing} TLS connection established to 127.0.0.1{nexthop}: TLSv1.3 with cipher" in log
    assert dovecot.PASSWORD not in log
