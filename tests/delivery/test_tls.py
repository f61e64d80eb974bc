"""TLS in deliveries: attacks, second tries in clear, connections and sessions that are used again."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Any

import pytest

from mailrider.events import Noted, TlsEstablished, TlsFailed, Warned
from mailrider.model.outcome import DeliveryReport
from mailrider.model.request import Transport
from mailrider.testkit.authority import Certificate, make_root
from mailrider.testkit.peers import ScriptedServer
from mailrider.testkit.rules import Rule
from mailrider.tls import openssl_settings
from mailrider.tls.engine import TlsEngine
from virtual_time import run

from .scene import Scene, at, brief, server_of, statuses

ROOT = make_root("Root")
SERVER = ROOT.issue("mx", addresses=["127.0.0.1"])
LEVELS = ("may", "encrypt", "verify", "secure", "fingerprint")


class Place:
    """A server with TLS, and deliveries to it."""

    def __init__(self, folder: Path, *rules: Rule, wrapper: bool = False, **settings: Any) -> None:
        (folder / "root.pem").write_bytes(ROOT.pem)
        self.context = SERVER.server_context(folder)
        self.rules, self.wrapper = rules, wrapper
        self.settings = {"smtp_tls_CAfile": folder / "root.pem", "smtp_tls_secure_cert_match": "nexthop", **settings}
        self.peer: ScriptedServer
        self.scene: Scene

    def deliver(self, *requests: dict[str, Any]) -> list[DeliveryReport]:
        async def main() -> list[DeliveryReport]:
            async with ScriptedServer(*self.rules, tls=self.context, wrapper=self.wrapper) as self.peer:
                async with Scene(**self.settings) as self.scene:
                    now = self.scene.clock.wall_seconds()
                    reports = []
                    for request in requests or ({},):
                        age_seconds = request.pop("age_seconds", 0.0)
                        reports.append(
                            await self.scene.deliver(at(self.peer), arrival_seconds=now - age_seconds, **request)
                        )
                await self.peer.wait_until_alone()
            return reports

        return run(main())

    @property
    def encrypted(self) -> list[bool]:
        return [session.encrypted_from is not None for session in self.peer.sessions]

    @property
    def facts(self) -> list[Any]:
        return [event.facts for event in self.scene.told(TlsEstablished)]


def test_a_message_goes_through_tls(tmp_path: Path) -> None:
    place = Place(tmp_path, smtp_tls_security_level="verify", smtp_tls_loglevel="1")
    (report,) = place.deliver()
    assert statuses(report) == ["sent 2.0.0"]
    (session,) = place.peer.sessions
    assert session.commands[:2] == ["EHLO me.example.test", "STARTTLS"]
    assert session.commands[2] == "EHLO me.example.test"
    assert session.encrypted_from == 2
    assert session.messages[0].content.startswith(b"Subject: x\r\n")
    assert place.facts[0].verified


@pytest.mark.parametrize("level", LEVELS[1:])
@pytest.mark.parametrize(
    "reply", ["250-mx\r\n250 PIPELINING\r\n", "500 5.5.1 what?\r\n"], ids=["stripped", "no EHLO"]
)
def test_who_strips_starttls_gets_no_mail_that_demands_it(tmp_path: Path, level: str, reply: str) -> None:
    settings = {"smtp_tls_fingerprint_cert_match": "AB" * 32}
    place = Place(tmp_path, Rule(match="^EHLO", raw=reply.encode()), smtp_tls_security_level=level, **settings)
    (report,) = place.deliver({"age_seconds": 100_000.0})
    (status,) = statuses(report)
    assert status in ("deferred 4.7.4", "deferred 4.7.5")
    assert not any(session.messages for session in place.peer.sessions)


NO_AUTHORITY = ROOT.issue("CA", dns=["mx.example.test"])
"""Its names are right, but it is no authority."""


@pytest.mark.parametrize(
    "certificate",
    [
        ROOT.issue("x", dns=["mx.example.test\0.evil.test"]),
        ROOT.issue("mx.example.test\0.evil.test"),
        ROOT.issue("x", dns=["evil.test\0mx.example.test"]),
        ROOT.issue("mx.example.test", dns=["evil.test"]),
        ROOT.issue("x", dns=["*"]),
        ROOT.issue("x", dns=["*.test"]),
        ROOT.issue("x", dns=["*.*.test"]),
        ROOT.issue("x", dns=["m*.example.test"]),
        ROOT.issue("x", dns=["mx.*.test"]),
        ROOT.issue("x", dns=["*.mx.example.test"]),
        ROOT.issue("x", dns=[" mx.example.test"]),
        ROOT.issue("x", dns=["mx.example.test.evil.test"]),
        NO_AUTHORITY.issue("x", dns=["mx.example.test"]),
    ],
    ids=lambda certificate: repr(certificate.certificate.subject.rfc4514_string())[:20],
)
@pytest.mark.parametrize("level", ["verify", "secure"])
def test_a_certificate_that_is_nearly_right(tmp_path: Path, certificate: Certificate, level: str) -> None:
    (tmp_path / "root.pem").write_bytes(ROOT.pem)
    settings = {
        "smtp_tls_security_level": level, "smtp_tls_CAfile": tmp_path / "root.pem", "smtp_tls_secure_cert_match": "hostname",
    }  # fmt: skip

    async def main() -> None:
        async with ScriptedServer(tls=certificate.server_context(tmp_path)) as peer:
            async with Scene(routes={"dest.test": [server_of(peer)]}, **settings) as scene:
                assert brief(await scene.deliver("dest.test")) == ["deferred 4.7.5 Server certificate not verified"]
            assert peer.sessions[0].encrypted_from == 2
            assert "MAIL" not in " ".join(peer.sessions[0].commands)

    run(main())


@pytest.mark.parametrize(("level", "arrives"), [("may", True), ("encrypt", False), ("verify", False)])
def test_a_server_that_shows_a_thousand_certificates(tmp_path: Path, level: str, arrives: bool) -> None:
    """The library takes 100 kB of them; mail that need not be encrypted is tried again without."""
    place = Place(tmp_path, smtp_tls_security_level=level)
    place.context = Certificate(SERVER.certificate, SERVER.key, (ROOT.certificate,) * 1000).server_context(tmp_path)
    (report,) = place.deliver({"age_seconds": 1000.0})
    assert statuses(report) == ["sent 2.0.0" if arrives else "deferred 4.7.5"]
    assert len(place.scene.told(TlsFailed)) == 1
    assert place.facts == []


@pytest.mark.parametrize("level", ["may", "encrypt", "verify"])
def test_replies_in_front_of_the_handshake_are_not_heard(tmp_path: Path, level: str) -> None:
    injected = b"220 go\r\n250-evil\r\n250-XEVIL\r\n250 SIZE 1\r\n250 2.1.0 fake\r\n250 half a li"
    place = Place(tmp_path, Rule(match="^STARTTLS", raw=injected), smtp_tls_security_level=level)
    (report,) = place.deliver()
    assert statuses(report) == ["sent 2.0.0"]
    assert place.encrypted == [True]
    assert len(place.peer.messages) == 1


def test_what_a_server_said_in_clear_is_forgotten(tmp_path: Path) -> None:
    clear = Rule(match="^EHLO", nth=1, raw=b"250-mx\r\n250-SIZE 1\r\n250-PIPELINING\r\n250 STARTTLS\r\n")
    secret = Rule(match="^EHLO", nth=1, raw=b"250-mx\r\n250 DSN\r\n")
    place = Place(tmp_path, clear, secret, smtp_tls_security_level="may")
    (report,) = place.deliver()
    assert statuses(report) == ["sent 2.0.0"]
    assert not any("SIZE=" in command for command in place.peer.sessions[0].commands)


@pytest.mark.parametrize(
    "rule",
    [
        Rule(match="^STARTTLS", reply="220 go", then="close"),
        Rule(match="^STARTTLS", reply="220 go", then="reset"),
        Rule(match="^STARTTLS", reply="220 go", then="silence"),
    ],
    ids=["close", "reset", "silence"],
)
@pytest.mark.parametrize("level", ["may", "encrypt"])
@pytest.mark.parametrize("age_seconds", [0.0, 1000.0])
def test_a_handshake_that_breaks(tmp_path: Path, rule: Rule, level: str, age_seconds: float) -> None:
    place = Place(tmp_path, rule, smtp_tls_security_level=level, smtp_starttls_timeout="7s")
    (report,) = place.deliver({"age_seconds": age_seconds})
    falls_back = level == "may" and age_seconds > 0
    expected = "sent 2.0.0" if falls_back else "deferred 4.7.5"
    assert statuses(report) == [expected]
    assert place.encrypted == [False] * (2 if falls_back else 1)
    assert "QUIT" not in place.peer.sessions[0].commands
    assert len(place.scene.told(TlsFailed)) == 1
    assert ("Cannot start TLS: handshake failure" in place.scene.soft_failures) is falls_back


def test_garbage_in_the_place_of_a_handshake(tmp_path: Path) -> None:
    rule = Rule(match="^STARTTLS", reply="220 go", then="close")
    late = Rule(match="^STARTTLS", nth_total=2, raw=b"220 go\r\n")
    place = Place(tmp_path, rule, late, smtp_tls_security_level="encrypt")
    (report,) = place.deliver()
    assert brief(report) == ["deferred 4.7.5 Cannot start TLS: handshake failure"]
    # Only mail that TLS is optional for leaves the destination alone.
    assert report.destination_trouble is not None


def test_optional_tls_that_breaks_is_no_trouble_of_the_destination(tmp_path: Path) -> None:
    place = Place(tmp_path, Rule(match="^STARTTLS", reply="220 go", then="close"), smtp_tls_security_level="may")
    (report,) = place.deliver()
    assert report.destination_trouble is None


@pytest.mark.parametrize("match", ["^MAIL", "^RCPT", "^DATA"])
def test_a_conversation_that_breaks_inside_tls_goes_on_in_clear_for_waiting_mail(tmp_path: Path, match: str) -> None:
    rule = Rule(match=match, nth_total=1, then="reset")
    place = Place(tmp_path, rule, smtp_tls_security_level="may")
    (report,) = place.deliver({"age_seconds": 1000.0})
    assert statuses(report) == ["sent 2.0.0"]
    assert place.encrypted == [True, False]
    place = Place(tmp_path, rule, smtp_tls_security_level="may")
    (report,) = place.deliver()
    assert statuses(report) == ["deferred 4.4.2"]
    assert place.encrypted == [True]


def test_a_probe_need_not_wait(tmp_path: Path) -> None:
    place = Place(tmp_path, Rule(match="^STARTTLS", reply="220 go", then="close"), smtp_tls_security_level="may")
    (report,) = place.deliver({"probe": True})
    assert statuses(report) == ["deliverable 2.1.5"]


def test_mail_that_would_log_in_is_never_sent_in_clear_after_tls_failed(tmp_path: Path) -> None:
    place = Place(
        tmp_path,
        Rule(match="^STARTTLS", reply="220 go", then="close"),
        smtp_tls_security_level="may",
        smtp_sasl_auth_enable=True,
        smtp_sasl_password_maps="static:user:password",
        smtp_sasl_security_options="",
    )
    (report,) = place.deliver({"age_seconds": 1000.0})
    assert statuses(report) == ["deferred 4.7.5"]
    assert place.encrypted == [False]


def test_wrapper_mode(tmp_path: Path) -> None:
    place = Place(tmp_path, wrapper=True, smtp_tls_security_level="verify", smtp_tls_wrappermode=True)
    (report,) = place.deliver()
    assert statuses(report) == ["sent 2.0.0"]
    assert "STARTTLS" not in place.peer.sessions[0].commands
    assert place.peer.sessions[0].encrypted_from == 0


def test_wrapper_mode_is_no_half_measure(tmp_path: Path) -> None:
    place = Place(tmp_path, wrapper=True, smtp_tls_security_level="may", smtp_tls_wrappermode=True)
    (report,) = place.deliver()
    assert statuses(report) == ["deferred 4.3.0"]
    assert not place.peer.sessions
    assert place.scene.warnings == ['smtp_tls_wrappermode requires "smtp_tls_security_level = encrypt" (or stronger)']


def test_a_client_certificate(tmp_path: Path) -> None:
    client = ROOT.issue("client")
    place = Place(tmp_path, smtp_tls_security_level="encrypt", smtp_tls_chain_files=client.write(tmp_path, "client"))
    place.context.load_verify_locations(tmp_path / "root.pem")
    place.context.verify_mode = ssl.CERT_REQUIRED
    place.context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    (report,) = place.deliver()
    if statuses(report) == ["sent 2.0.0"]:  # a server may hold the purpose of the certificate against it
        assert place.peer.sessions[0].client_certificate == client.der
    else:
        assert statuses(report) == ["deferred 4.4.2"]


KEPT = {"smtp_connection_cache_destinations": "127.0.0.1"}


@pytest.mark.parametrize("reuse", [False, True])
def test_a_connection_with_tls_is_kept_only_where_that_is_wanted(tmp_path: Path, reuse: bool) -> None:
    place = Place(tmp_path, smtp_tls_security_level="encrypt", smtp_tls_connection_reuse=reuse, **KEPT)
    reports = place.deliver({}, {})
    assert [statuses(report) for report in reports] == [["sent 2.0.0"]] * 2
    assert [len(session.messages) for session in place.peer.sessions] == ([2] if reuse else [1, 1])
    assert [outcome.connection_use for report in reports for outcome in report.outcomes if outcome] == [1, 2 if reuse else 1]


def test_a_policy_decides_about_reuse(tmp_path: Path) -> None:
    place = Place(tmp_path, smtp_tls_policy_maps="static:{encrypt connection_reuse=yes}", **KEPT)
    place.deliver({}, {})
    assert [len(session.messages) for session in place.peer.sessions] == [2]


def test_a_kept_connection_that_dies_inside_tls(tmp_path: Path) -> None:
    rule = Rule(match="^RSET", nth_total=1, then="reset")
    place = Place(tmp_path, rule, smtp_tls_security_level="encrypt", smtp_tls_connection_reuse=True, **KEPT)
    reports = place.deliver({}, {})
    assert [statuses(report) for report in reports] == [["sent 2.0.0"]] * 2
    assert place.encrypted == [True, True]


def test_a_session_is_resumed_where_sessions_are_kept(tmp_path: Path) -> None:
    settings = {"smtp_tls_security_level": "verify"}
    place = Place(tmp_path, **settings)
    place.deliver({}, {})
    assert [session.tls_resumed for session in place.peer.sessions] == [False, False]
    place = Place(tmp_path, smtp_tls_session_cache_database="memory:", **settings)
    reports = place.deliver({}, {}, {})
    assert [statuses(report) for report in reports] == [["sent 2.0.0"]] * 3
    assert [session.tls_resumed for session in place.peer.sessions] == [False, True, True]
    assert [facts.verified for facts in place.facts] == [True] * 3


@pytest.mark.parametrize("wrong", [{"smtp_tls_cert_file": "/nosuch"}, {"smtp_tls_fingerprint_digest": "bogus"}])
def test_a_library_that_cannot_be_set_up_means_clear_or_nothing(tmp_path: Path, wrong: dict[str, str]) -> None:
    place = Place(tmp_path, smtp_tls_security_level="may", **wrong)
    (report,) = place.deliver()
    assert statuses(report) == ["sent 2.0.0"]
    assert "STARTTLS" not in place.peer.sessions[0].commands
    place = Place(tmp_path, smtp_tls_security_level="encrypt", **wrong)
    (report,) = place.deliver()
    assert brief(report) == ["deferred 4.7.5 TLS is required, but our TLS engine is unavailable"]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"smtp_tls_mandatory_protocols": "bogus"}, 'Invalid TLS protocol list "bogus": aborting TLS session'),
        ({"smtp_tls_mandatory_ciphers": "bogus"}, 'invalid cipher grade: "bogus"'),
        ({"tls_medium_cipherlist": "NOSUCH"}, "error setting cipher list 'NOSUCH:!eNULL': no cipher match"),
    ],
)
def test_what_makes_no_sense_fails_the_handshake_and_is_told(tmp_path: Path, settings: dict[str, str], said: str) -> None:
    place = Place(tmp_path, smtp_tls_security_level="encrypt", **settings)
    (report,) = place.deliver()
    assert brief(report) == ["deferred 4.7.5 Cannot start TLS: handshake failure"]
    relay = place.scene.told(Warned)[-1].text.partition("]:")
    assert relay[2].partition(": ")[2] == said
    assert not place.scene.told(TlsFailed)


def test_a_certificate_that_is_not_there_is_not_shown(tmp_path: Path) -> None:
    place = Place(tmp_path, smtp_tls_security_level="encrypt", smtp_tls_chain_files="/nosuch")
    (report,) = place.deliver()
    assert statuses(report) == ["sent 2.0.0"]
    assert "STARTTLS" in place.peer.sessions[0].commands


def test_an_offer_that_is_not_taken_is_told(tmp_path: Path) -> None:
    place = Place(tmp_path, smtp_tls_note_starttls_offer=True)
    place.deliver()
    assert [event.text for event in place.scene.told(Noted)] == ["Host offered STARTTLS: [127.0.0.1]"]


def test_a_large_message_goes_whole_through_tls(tmp_path: Path) -> None:
    from mailrider.spool.message import MemoryMessage

    content = b"Subject: x\r\n\r\n" + b"".join(b"%060d\r\n" % number for number in range(40_000))
    place = Place(tmp_path, smtp_tls_security_level="encrypt")
    (report,) = place.deliver({"content": MemoryMessage(content)})
    assert statuses(report) == ["sent 2.0.0"]
    assert place.peer.messages[0].content == content


def test_lmtp_over_a_unix_domain_socket(tmp_path: Path) -> None:
    context = SERVER.server_context(tmp_path)

    async def main() -> list[str]:
        async with ScriptedServer(lmtp=True, path=tmp_path / "s", tls=context) as peer:
            async with Scene(Transport.LMTP, lmtp_tls_security_level="encrypt") as scene:
                report = await scene.deliver(f"unix:{tmp_path}/s")
            assert peer.sessions[0].encrypted_from == 2
            return statuses(report)

    assert run(main()) == ["sent 2.0.0"]


def test_a_delivery_that_is_given_up_in_the_middle_of_a_handshake_leaves_nothing_open(tmp_path: Path) -> None:
    place = Place(tmp_path, smtp_tls_security_level="encrypt")

    async def main() -> None:
        rule = Rule(match="^STARTTLS", reply="220 go", then="silence")
        async with ScriptedServer(rule, tls=place.context) as peer, Scene(**place.settings) as scene:
            task = asyncio.create_task(scene.deliver(at(peer)))
            while not (peer.sessions and peer.sessions[0].octets_received > 100):
                await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await peer.wait_until_alone()

    run(main())


@pytest.mark.parametrize("blocks", [False, True])
def test_a_reply_to_what_we_have_not_said_yet(tmp_path: Path, blocks: bool) -> None:
    early = Rule(match="^EHLO", nth=1, raw=b"250-mx\r\n250 STARTTLS\r\n")
    twice = Rule(match="^EHLO", nth=1, raw=b"250 mx\r\n250 2.1.0 Ok\r\n")
    settings = {"smtp_tls_security_level": "encrypt", "smtp_tls_block_early_mail_reply": blocks}
    place = Place(tmp_path, early, twice, **settings)
    (report,) = place.deliver()
    if blocks:
        assert brief(report) == ["deferred 4.7.0 unexpected server message"]
        assert place.scene.warnings == [
            "server 127.0.0.1[127.0.0.1] violates smtp_tls_block_early_mail_reply policy"
        ]
        assert not any(command.startswith("MAIL") for command in place.peer.sessions[0].commands)
    else:
        assert any(command.startswith("MAIL") for command in place.peer.sessions[0].commands)


@pytest.mark.parameter("tls_eecdh_auto_curves", "tls_ffdhe_auto_groups")
@pytest.mark.parametrize(
    ("curves", "others", "used"),
    [
        ("secp384r1", "", "secp384r1"),
        ("no-such-group, prime256v1:secp384r1", "", "prime256v1"),
        ("", "ffdhe2048", "ffdhe2048"),
        ("secp521r1", "ffdhe2048", "secp521r1"),
        ("no-such-group", "", "X25519"),
    ],
)
def test_groups_for_key_exchange(tmp_path: Path, curves: str, others: str, used: str) -> None:
    settings = {"tls_eecdh_auto_curves": curves, "tls_ffdhe_auto_groups": others}
    place = Place(tmp_path, smtp_tls_security_level="may", **settings)
    assert statuses(place.deliver()[0]) == ["sent 2.0.0"]
    names = {"secp256r1": "prime256v1", "x25519": "X25519"}
    shown = place.facts[0].key_exchange
    assert names.get(shown, shown) == used


@pytest.mark.parameter("tls_fast_shutdown_enable")
@pytest.mark.parametrize(("fast", "seconds"), [(True, 0.0), (False, 77.0)])
def test_a_slow_end_waits_for_the_server(tmp_path: Path, fast: bool, seconds: float) -> None:
    """Every channel of a delivery gets the time that its stream is to wait (`tests/net/test_secure.py` shows how)."""
    settings = {"tls_fast_shutdown_enable": fast, "smtp_starttls_timeout": "77s", "smtp_tls_security_level": "may"}
    place = Place(tmp_path, **settings)
    channels: list[Any] = []

    def open_channel(engine: TlsEngine, *arguments: Any) -> Any:
        channels.append(opened(engine, *arguments))
        return channels[-1]

    opened = TlsEngine.open
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TlsEngine, "open", open_channel)
        assert statuses(place.deliver()[0]) == ["sent 2.0.0"]
    assert [channel.linger_seconds for channel in channels] == [seconds]


def test_a_library_that_cannot_be_set_up_keeps_mail_from_going_out_unprotected(tmp_path: Path) -> None:
    missing = {"tls_config_file": tmp_path / "no", "smtp_tls_security_level": "encrypt"}
    place = Place(tmp_path, **missing)
    with pytest.MonkeyPatch.context() as patch:
        answer = openssl_settings.Loaded("cannot load it", usable=False)
        patch.setitem(openssl_settings._answers, (str(tmp_path / "no"), ""), answer)
        assert statuses(place.deliver()[0]) == ["deferred 4.7.5"]
    assert "cannot load it" in place.scene.warnings
