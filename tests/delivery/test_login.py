"""Logging in, from a request to the server's words."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mailrider.delivery.login import WRONG_CREDENTIALS, find_bindings
from mailrider.events import Event
from mailrider.model.outcome import DeliveryReport
from mailrider.model.request import Transport
from mailrider.sasl.secret import Secret
from mailrider.testkit.authority import make_root
from mailrider.testkit.peers import ScriptedServer
from mailrider.testkit.rules import Rule
from mailrider.tls.channel import BrokenChannel
from virtual_time import run

from .scene import Scene, at, brief, server_of, statuses

PASSWORD = "correct-horse"
OK = Rule(match="^AUTH", reply="235 2.7.0 fine")
NO = Rule(match="^AUTH", reply="535 5.7.8 no")


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def offering(*rules: Rule, mechanisms: str = "PLAIN", lmtp: bool = False) -> ScriptedServer:
    keywords = ("PIPELINING", "SIZE 10240000", "8BITMIME", f"AUTH {mechanisms}".rstrip())
    return ScriptedServer(*rules, keywords=keywords, lmtp=lmtp)


LOGIN = {
    "smtp_sasl_auth_enable": True,
    "smtp_sasl_password_maps": "inline:{127.0.0.1=user:" + PASSWORD + "}",
    "smtp_sasl_security_options": "noanonymous",
}


class Run:
    """Deliveries one after the other to one server."""

    def __init__(self, server: ScriptedServer, senders: tuple[str, ...] = ("a@example.test",), **settings: Any) -> None:
        self.server = server
        self.reports: list[DeliveryReport] = []
        self.events: list[Event] = []
        self.warnings: list[str] = []
        transport = Transport.LMTP if server.lmtp else Transport.SMTP
        given = LOGIN | settings
        if server.lmtp:
            given = {name.replace("smtp_", "lmtp_"): value for name, value in given.items()}

        async def main() -> None:
            async with server:
                async with Scene(transport, **given) as scene:
                    for sender in senders:
                        self.reports.append(await scene.deliver(at(server), sender=sender))
                    self.events, self.warnings = scene.events, scene.warnings
                await server.wait_until_alone()

        run(main())

    @property
    def outcomes(self) -> list[str]:
        return [line for report in self.reports for line in brief(report)]

    @property
    def commands(self) -> list[list[str]]:
        """What each connection heard."""
        return [session.commands for session in self.server.sessions]

    def with_peer(self, text: str) -> str:
        return text.replace("PEER", "127.0.0.1[127.0.0.1]").replace(":PORT", f":{self.server.port}")


def test_a_server_with_an_entry_is_logged_in_to() -> None:
    done = Run(offering(OK))
    assert done.outcomes[0].startswith("sent 2.")
    assert done.commands[0][1] == "AUTH PLAIN " + b64(f"\0user\0{PASSWORD}")
    assert done.commands[0][2].startswith("MAIL FROM:<a@example.test>")


def test_without_login_enabled_nobody_logs_in() -> None:
    done = Run(offering(NO), smtp_sasl_auth_enable=False)
    assert done.commands[0][1].startswith("MAIL")


def test_without_an_entry_nobody_logs_in() -> None:
    done = Run(offering(NO), smtp_sasl_password_maps="inline:{elsewhere=user:x}")
    assert done.commands[0][1].startswith("MAIL")
    assert done.warnings == []


def test_where_auth_is_not_announced_mail_goes_out_without() -> None:
    done = Run(ScriptedServer())
    assert done.outcomes[0].startswith("sent")


KEEP = {"smtp_connection_cache_destinations": "127.0.0.1"}
BY_SENDER_ALONE = KEEP | {
    "smtp_sender_dependent_authentication": True,
    "smtp_sasl_password_maps": "inline:{a@here.test=user:x}",
}
NO_ENTRY = "inline:{elsewhere=user:x}"
NOT_OFFERED, NO_PASSWORD = "the server does not offer AUTH", "there is no password for it"


@pytest.mark.parameter("smtp_sasl_auth_required")
@pytest.mark.parametrize(
    ("server", "settings", "reason"),
    [
        (ScriptedServer, {}, NOT_OFFERED),
        (lambda: ScriptedServer(lmtp=True), {}, NOT_OFFERED),
        (lambda: offering(OK), {"smtp_sasl_password_maps": NO_ENTRY}, NO_PASSWORD),
        (lambda: offering(OK, mechanisms=""), {"smtp_sasl_password_maps": NO_ENTRY}, NO_PASSWORD),
    ],
)
def test_a_login_can_be_required(server: Callable[[], ScriptedServer], settings: dict[str, str], reason: str) -> None:
    done = Run(server(), smtp_sasl_auth_required=True, **settings)
    name = "lmtp_sasl_auth_required" if done.server.lmtp else "smtp_sasl_auth_required"
    assert done.outcomes == [done.with_peer(f"deferred 4.7.0 no mail without login ({name}) for server PEER: {reason}")]
    assert done.commands[0][1:] == ["QUIT"]


def test_where_a_login_is_required_and_there_is_one_mail_goes_out() -> None:
    done = Run(offering(OK), smtp_sasl_auth_required=True)
    assert done.outcomes[0].startswith("sent")


def test_who_must_log_in_does_not_use_the_connection_of_somebody_else() -> None:
    done = Run(offering(OK), ("a@here.test", "b@here.test"), smtp_sasl_auth_required=True, **BY_SENDER_ALONE)
    assert [outcome.split()[0] for outcome in done.outcomes] == ["sent", "deferred"]
    assert [[word.split()[0] for word in heard] for heard in done.commands][1] == ["EHLO", "QUIT"]


def test_a_refusal_defers_unless_it_is_meant_to_bounce() -> None:
    for soft, expected in ((True, "deferred 4.7.8"), (False, "bounced 5.7.8")):
        done = Run(offering(NO), smtp_sasl_auth_soft_bounce=soft)
        text = done.with_peer("SASL authentication failed; server PEER said: 535 5.7.8 no")
        assert done.outcomes == [f"{expected} {text}"]
        assert done.commands[0][-1] == "QUIT"


def test_a_password_is_not_shown_in_clear_where_the_options_forbid_it() -> None:
    done = Run(offering(OK, mechanisms="PLAIN LOGIN"), smtp_sasl_security_options="noplaintext, noanonymous")
    text = done.with_peer("SASL authentication failed; cannot authenticate to server PEER: no mechanism available")
    assert done.outcomes == [f"deferred 4.7.0 {text}"]
    assert done.warnings == ["SASL authentication failure: No worthy mechs found"]
    assert done.commands[0][1:] == ["QUIT"]


@pytest.mark.parametrize(
    ("mechanisms", "settings", "warning"),
    [
        ("", {}, "PEER:PORT offered null AUTH mechanism list"),
        ("CRAM-MD5", {"smtp_sasl_mechanism_filter": "plain"}, "PEER:PORT offered no supported AUTH mechanisms: 'CRAM-MD5'"),
    ],
)
def test_nothing_that_fits_is_on_offer(mechanisms: str, settings: dict[str, str], warning: str) -> None:
    done = Run(offering(mechanisms=mechanisms), **settings)
    text = "SASL authentication failed: server PEER offered no compatible authentication mechanisms for this type of "
    assert done.outcomes == [done.with_peer(f"deferred 4.7.0 {text}connection security")]
    assert done.warnings == [done.with_peer(warning)]


def test_the_filter_can_name_what_is_not_to_be_used() -> None:
    done = Run(offering(OK, mechanisms="CRAM-MD5 PLAIN"), smtp_sasl_mechanism_filter="!cram-md5, static:all")
    assert done.commands[0][1].startswith("AUTH PLAIN ")


def test_the_user_can_be_the_authorisation_identity_too() -> None:
    done = Run(offering(OK), send_cyrus_sasl_authzid=True)
    assert done.commands[0][1] == "AUTH PLAIN " + b64(f"user\0user\0{PASSWORD}")


def test_who_logged_in_may_not_vouch_for_the_sender() -> None:
    done = Run(offering(OK), smtp_send_dummy_mail_auth=True)
    assert done.commands[0][2].endswith(" AUTH=<>")
    done = Run(offering(OK), smtp_send_dummy_mail_auth=True, smtp_sasl_password_maps="inline:{elsewhere=user:x}")
    assert not done.commands[0][1].endswith(" AUTH=<>")


def test_a_table_that_cannot_answer_defers() -> None:
    done = Run(offering(OK), smtp_sasl_password_maps="texthash:" + __file__ + ", fail:nobody")
    assert done.outcomes == [done.with_peer("deferred 4.3.0 local data error while talking to PEER")]
    assert done.commands[0][-1] == "QUIT"


def test_lmtp_logs_in_too_but_never_by_sender() -> None:
    maps = "inline:{{127.0.0.1=user:" + PASSWORD + "},{a@example.test=sender:x}}"
    done = Run(offering(OK, lmtp=True), smtp_sasl_password_maps=maps, smtp_sender_dependent_authentication=True)
    assert done.commands[0][1] == "AUTH PLAIN " + b64(f"\0user\0{PASSWORD}")


def test_a_server_that_hangs_up_is_told_as_one_that_did_not_greet() -> None:
    done = Run(offering(Rule(match="^AUTH", then="close")))
    text = "lost connection with PEER while performing the EHLO handshake"
    assert done.outcomes == [done.with_peer(f"deferred 4.4.2 {text}")]


SLOW = (Rule(match="^EHLO", delay_seconds=1.3), Rule(match="^AUTH", delay_seconds=1.3, reply="235 2.7.0 fine"))


def test_greeting_and_login_have_one_limit_with_per_request_deadlines() -> None:
    done = Run(offering(*SLOW), smtp_per_request_deadline=True, smtp_helo_timeout="2s")
    text = "conversation with PEER timed out while performing the EHLO handshake"
    assert done.outcomes == [done.with_peer(f"deferred 4.4.2 {text}")]
    assert Run(offering(*SLOW), smtp_helo_timeout="2s").outcomes[0].startswith("sent")


def test_after_a_starttls_that_was_denied_a_login_has_its_limit_and_its_words() -> None:
    rules = (Rule(match="^STARTTLS", reply="454 4.7.0 no"), Rule(match="^AUTH", delay_seconds=3, reply="235 2.7.0 fine"))
    keywords = ("STARTTLS", "AUTH PLAIN")
    settings = {"smtp_tls_security_level": "may", "smtp_helo_timeout": "6s"}
    done = Run(ScriptedServer(*rules, keywords=keywords), smtp_starttls_timeout="2s", **settings)
    text = "conversation with PEER timed out while receiving the STARTTLS response"
    assert done.outcomes == [done.with_peer(f"deferred 4.4.2 {text}")]
    assert Run(ScriptedServer(*rules, keywords=keywords), **settings).outcomes[0].startswith("sent")


def test_the_next_server_is_tried() -> None:
    async def main() -> tuple[list[str], list[str]]:
        first, second = offering(NO), offering(OK)
        async with first, second, Scene(**LOGIN) as scene:
            report = await scene.deliver(at(first, second))
            return brief(report), second.sessions[0].commands

    outcomes, commands = run(main())
    assert outcomes[0].startswith("sent")
    assert commands[1].startswith("AUTH PLAIN")


# -- failures that are remembered ------------------------------------------------------------------------------------


def test_a_failed_login_is_not_tried_again() -> None:
    done = Run(offering(NO), ("a@example.test", "b@example.test"), smtp_sasl_auth_cache_name="proxy:internal:failed")
    first, second = done.outcomes
    assert first == done.with_peer("deferred 4.7.8 SASL authentication failed; server PEER said: 535 5.7.8 no")
    assert second == "deferred 4.7.8 SASL [CACHED] authentication failed; server 127.0.0.1 said: 535 5.7.8 no"
    assert done.commands[1][1:] == ["QUIT"]


def test_only_wrong_credentials_are_remembered() -> None:
    rule = Rule(match="^AUTH", reply="534 5.7.9 weak")
    done = Run(offering(rule), ("a@example.test", "b@example.test"), smtp_sasl_auth_cache_name="proxy:internal:failed")
    assert all("CACHED" not in outcome for outcome in done.outcomes)
    assert WRONG_CREDENTIALS == 535


# -- connections that are kept ---------------------------------------------------------------------------------------

BY_SENDER = {
    "smtp_sender_dependent_authentication": True,
    "smtp_sasl_password_maps": "inline:{{a@example.test=one:x},{b@example.test=two:x},{127.0.0.1=user:x}}",
}
A, B, C, D = (f"{name}@example.test" for name in "abcd")


def test_a_connection_that_logged_in_is_used_again() -> None:
    done = Run(offering(OK), (A, A), **KEEP)
    assert len(done.commands) == 1


def test_but_only_for_those_who_would_log_in_the_same_way() -> None:
    done = Run(offering(OK), (A, B, A, C, B, D), **KEEP, **BY_SENDER)
    users = [base64.b64decode(commands[1].split()[2]).split(b"\0")[1].decode() for commands in done.commands]
    assert users == ["one", "two", "user"]
    assert [sum(command.startswith("MAIL") for command in commands) for commands in done.commands] == [2, 2, 2]
    assert all(outcome.startswith("sent") for outcome in done.outcomes)


def test_a_new_password_is_a_new_login(tmp_path: Path) -> None:
    """The table is looked at for every message, so a connection of the old password is left alone."""

    async def main() -> list[list[str]]:
        server = offering(OK)
        maps = {"127.0.0.1": "user:old"}
        async with server, Scene(**(LOGIN | KEEP)) as scene:
            policy = scene.profile.login
            assert policy is not None
            policy.book._maps = Known(maps)
            await scene.deliver(at(server))
            maps["127.0.0.1"] = "user:new"
            await scene.deliver(at(server))
            return [session.commands for session in server.sessions]

    commands = run(main())
    assert [line for each in commands for line in each if line.startswith("AUTH")] == [
        "AUTH PLAIN " + b64("\0user\0old"),
        "AUTH PLAIN " + b64("\0user\0new"),
    ]


class Known:
    def __init__(self, entries: dict[str, str]) -> None:
        self.entries = entries

    def find(self, key: str, *, partial: bool = False) -> str | None:
        return self.entries.get(key)


# -- tokens ----------------------------------------------------------------------------------------------------------


def test_a_token_out_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "token.json"
    path.write_text(json.dumps({"access_token": "AT-1"}))
    path.chmod(0o600)
    maps = "inline:{127.0.0.1=user:" + str(path) + "}"
    done = Run(
        offering(OK, mechanisms="PLAIN XOAUTH2"), smtp_sasl_password_maps=maps, smtp_sasl_extra_mechanisms="xoauth2"
    )
    assert done.commands[0][1] == "AUTH XOAUTH2 " + b64("user=user\x01auth=Bearer AT-1\x01\x01")


def test_a_token_that_cannot_be_had_defers(tmp_path: Path) -> None:
    path = tmp_path / "token.json"
    maps = "inline:{127.0.0.1=user:" + str(path) + "}"
    done = Run(
        offering(OK, mechanisms="PLAIN XOAUTH2"), smtp_sasl_password_maps=maps, smtp_sasl_extra_mechanisms="xoauth2"
    )
    text = f"SASL authentication failed; cannot authenticate to server PEER: token file {path} cannot be read: "
    assert done.outcomes == [done.with_peer(f"deferred 4.7.0 {text}No such file or directory")]
    assert not [line for line in done.commands[0] if line.startswith("AUTH")]


def test_a_token_that_is_refused_is_distrusted(tmp_path: Path) -> None:
    path = tmp_path / "token.json"
    path.write_text(json.dumps({"access_token": "AT-1"}))
    path.chmod(0o600)
    done = Run(
        offering(NO, mechanisms="XOAUTH2"),
        ("a@example.test", "b@example.test"),
        smtp_sasl_password_maps="inline:{127.0.0.1=user:" + str(path) + "}",
        smtp_sasl_extra_mechanisms="xoauth2",
    )
    assert done.outcomes[1].endswith("the token file names no token_endpoint to renew the access token")


# -- secrets ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-256"])
@pytest.mark.parametrize("reply", ["235 2.7.0 fine", "535 5.7.8 no", "334 !!!!", "334 " + b64("more")])
def test_no_event_and_no_outcome_holds_the_password(mechanism: str, reply: str) -> None:
    done = Run(offering(Rule(match="^(AUTH|[^ ]+=*$)", reply=reply), mechanisms=mechanism))
    told = repr(done.events) + repr(done.reports) + repr(done.warnings)
    for form in (PASSWORD, b64(PASSWORD), b64(f"\0user\0{PASSWORD}"), "horse"):
        assert form not in told


def test_a_profile_does_not_show_its_credentials() -> None:
    async def main() -> str:
        async with offering(OK) as server, Scene(**LOGIN) as scene:
            policy = scene.profile.login
            assert policy is not None
            found = policy.book.find("", server_of(server, "127.0.0.1").host, "")
            assert found is not None
            assert found.secret == Secret(PASSWORD)
            return repr(found) + repr(policy) + repr(found.identity)

    assert "horse" not in run(main())


# -- channel bindings ------------------------------------------------------------------------------------------------


class FakeChannel:
    """A TLS connection that has these bindings."""

    def __init__(self, **bindings: bytes) -> None:
        self.bindings = bindings

    def binding(self, kind: str) -> bytes | None:
        return self.bindings.get(kind.replace("-", "_"))


def test_a_login_can_be_tied_to_what_the_channel_has() -> None:
    def kinds(tls: object, channel: object) -> list[str]:
        session: Any = SimpleNamespace(tls=tls, channel=channel)
        return [binding.kind for binding in find_bindings(session)]

    assert kinds(None, FakeChannel(tls_exporter=b"x")) == []
    assert kinds(object(), None) == []
    assert kinds(object(), BrokenChannel("why")) == []
    both = FakeChannel(tls_server_end_point=b"y", tls_exporter=b"x")
    assert kinds(object(), both) == ["tls-exporter", "tls-server-end-point"]
    assert kinds(object(), FakeChannel(tls_unique=b"")) == []


@pytest.mark.parametrize(
    ("reply", "mechanisms", "asked", "outcome"),
    [
        ("501 5.5.4 what?", "SCRAM-SHA-256-PLUS PLAIN", ["SCRAM-SHA-256-PLUS", "PLAIN"], "sent 2.0.0"),
        ("504 5.5.4 what?", "SCRAM-SHA-1-PLUS LOGIN PLAIN", ["SCRAM-SHA-1-PLUS", "PLAIN"], "sent 2.0.0"),
        ("535 5.7.8 no", "SCRAM-SHA-256-PLUS PLAIN", ["SCRAM-SHA-256-PLUS"], "deferred 4.7.8"),
        ("454 4.7.0 later", "SCRAM-SHA-256-PLUS PLAIN", ["SCRAM-SHA-256-PLUS"], "deferred 4.7.0"),
        ("501 5.5.4 what?", "SCRAM-SHA-256-PLUS", ["SCRAM-SHA-256-PLUS"], "deferred 4.5.4"),
    ],
)
def test_a_server_that_offers_a_binding_and_does_not_know_it(
    tmp_path: Path, reply: str, mechanisms: str, asked: list[str], outcome: str
) -> None:
    async def main() -> None:
        rules = (Rule(match="^AUTH SCRAM", reply=reply), Rule(match="^AUTH PLAIN", reply="235 2.7.0 fine"))
        keywords = ("PIPELINING", f"AUTH {mechanisms}")
        settings = LOGIN | {"smtp_tls_security_level": "encrypt", "smtp_sasl_tls_security_options": "noanonymous"}
        context = make_root().issue("mx").server_context(tmp_path)
        async with ScriptedServer(*rules, keywords=keywords, tls=context) as peer, Scene(**settings) as scene:
            assert statuses(await scene.deliver(at(peer))) == [outcome]
            (session,) = peer.sessions
            assert [command.split()[1] for command in session.commands if command.startswith("AUTH")] == asked
            wanted = f"host 127.0.0.1[127.0.0.1] offers {asked[0]} and does not take it: logging in with {asked[-1]}"
            assert (wanted in scene.warnings) is (len(asked) == 2)
        await peer.wait_until_alone()

    run(main())
