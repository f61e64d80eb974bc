"""From a server to a session, or to the reason why there is none."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from mailrider.delivery.hop import Hops
from mailrider.delivery.opening import open_session
from mailrider.delivery.security import SecureTurn, make_security
from mailrider.delivery.session import NoSession, Session
from mailrider.events import ConnectionOpened, Event, Noted, ReplyGarbled, ReplyOverlong, ReplyReplaced, Warned
from mailrider.model.request import DeliveryRequest, Envelope, Recipient, Transport
from mailrider.net.deadline import DeadlineWheel
from mailrider.resolver.answer import Answer, HostAddresses, Search, Verdict
from mailrider.route.nexthop import Destination
from mailrider.smtp.refusal import Scope
from mailrider.spool.message import MemoryMessage
from mailrider.testkit.peers import ScriptedServer
from mailrider.testkit.rules import Rule
from mailrider.trust.policy import Policy
from virtual_time import VirtualClock, run

from .scene import nobody, profile_of, server_of

PLAIN = DeliveryRequest(
    Envelope("a@example.test", (Recipient("b@example.test"),)), MemoryMessage(b"x"), "example.test", queue_id="QID"
)


class SilentResolver:
    """A resolver of whom nobody gets an answer."""

    async def ask(self, name: str, types: tuple[str, ...], *, dnssec: bool = False, search: Search = Search.NONE) -> Answer:
        return Answer(Verdict.SOFT, reason="nobody answers")

    async def ask_host(self, host: str, family: object = None) -> HostAddresses:
        return HostAddresses((), "nobody answers", retry=True)


async def open_to(
    peer: ScriptedServer,
    events: list[Event],
    request: DeliveryRequest = PLAIN,
    transport: Transport = Transport.SMTP,
    **settings: object,
) -> Session | NoSession:
    wheel = DeadlineWheel(asyncio.get_running_loop())
    profile = profile_of(transport, **settings)
    server = server_of(peer)
    security = make_security(profile.settings, SilentResolver(), VirtualClock(), pytest.fail)
    hops = Hops(request, profile, security, events.append)
    hops.turn_to(Destination("example.test", "example.test", server.port, "25"), None)
    policy = await hops.choose_policy(server)
    assert isinstance(policy, Policy)
    turn = SecureTurn(security, policy, server, "key", request.queue_id, events.append)
    return await open_session(
        server, profile, request, wheel, events.append, age_seconds=0.0, is_best_exchanger=True, turn=turn
    )


def admit(*rules: Rule, lmtp: bool = False, **options: Any) -> tuple[Session, list[str], list[Event]]:
    """A session that comes about, the commands that led to it, and what was told."""
    events: list[Event] = []

    async def main() -> tuple[Session, list[str]]:
        async with ScriptedServer(*rules, lmtp=lmtp, name="mx.test") as peer:
            session = await open_to(peer, events, **options)
            assert isinstance(session, Session)
            session.connection.close()
            await peer.wait_until_alone()
            return session, peer.sessions[0].commands

    session, commands = run(main())
    return session, commands, events


def refuse(*rules: Rule, keywords: tuple[str, ...] = (), **options: Any) -> tuple[NoSession, list[str], list[Event]]:
    """The reason for no session, the commands up to then, and what was told.  Nothing stays open."""
    events: list[Event] = []

    async def main() -> tuple[NoSession, list[str]]:
        async with ScriptedServer(*rules, keywords=keywords) as peer:
            refused = await open_to(peer, events, **options)
            assert isinstance(refused, NoSession)
            if refused.session is not None:
                await refused.session.connection.left()
            await peer.wait_until_alone()
            return refused, peer.sessions[0].commands

    refused, commands = run(main())
    return refused, commands, events


def test_a_friendly_server_lets_us_in() -> None:
    session, commands, events = admit()
    assert commands == ["EHLO me.example.test"]
    assert session.offered.pipelining
    assert session.connection.pipelining
    assert session.offered.size_limit_octets == 10240000
    assert session.queue_id == "QID"
    assert events == [ConnectionOpened("QID", session.server, ("PIPELINING", "SIZE", "8BITMIME", "DSN"))]


def test_lmtp_says_lhlo() -> None:
    session, commands, _ = admit(lmtp=True, transport=Transport.LMTP)
    assert commands == ["LHLO me.example.test"]
    assert session.offered.pipelining


def test_a_server_without_extensions_gets_helo_and_no_groups() -> None:
    session, commands, _ = admit(Rule(match="^EHLO", reply="502 what?"))
    assert commands == ["EHLO me.example.test", "HELO me.example.test"]
    assert not session.connection.pipelining


def test_our_name_can_be_chosen() -> None:
    assert admit(smtp_helo_name="mail.example.org")[1] == ["EHLO mail.example.org"]


def test_extensions_can_be_discarded() -> None:
    session, _, events = admit(smtp_discard_ehlo_keywords="pipelining, dsn")
    assert not session.connection.pipelining
    assert not session.offered.dsn
    assert events[0] == Noted("discarding EHLO keywords: PIPELINING DSN")


def test_a_server_that_is_not_there_was_not_contacted() -> None:
    async def main() -> Session | NoSession:
        wheel = DeadlineWheel(asyncio.get_running_loop())
        return await open_session(
            nobody(), profile_of(), PLAIN, wheel, pytest.fail, age_seconds=0.0, is_best_exchanger=True, turn=None
        )

    refused = run(main())
    assert isinstance(refused, NoSession)
    assert refused.session is None
    assert refused.failure.scope is Scope.SITE
    assert refused.failure.text == "connect to gone.example.test[127.0.0.1]:1: Connection refused"


def test_what_dialling_warns_of_is_told() -> None:
    _, _, events = admit(smtp_bind_address="192.0.2.1")
    assert events[0] == Warned("bind 192.0.2.1: Cannot assign requested address")


def test_a_server_that_refuses_us_hears_quit() -> None:
    refused, commands, _ = refuse(Rule(on="greeting", reply="554 5.7.1 no"))
    assert commands == ["QUIT"]
    assert refused.session is not None
    assert refused.failure.status == "4.7.1"
    assert refused.failure.text == "host mx.example.test[127.0.0.1] refused to talk to me: 554 5.7.1 no"
    assert refused.failure.remote_mta == "mx.example.test"
    assert refused.failure.reply == "554 5.7.1 no"


def test_a_server_that_breaks_off_was_contacted_and_hears_nothing() -> None:
    refused, commands, _ = refuse(Rule(match="^EHLO", then="close"))
    assert commands == ["EHLO me.example.test"]
    assert refused.session is not None
    assert refused.failure.text == "lost connection with mx.example.test[127.0.0.1] while performing the EHLO handshake"
    assert refused.failure.scope is Scope.SITE


@pytest.mark.parametrize(
    ("keywords", "status", "text"),
    [
        ((), "4.7.4", "TLS is required, but was not offered by host mx.example.test[127.0.0.1]"),
        (("STARTTLS",), "5.5.1", "TLS is required, but host mx.example.test[127.0.0.1] refused to start TLS: 502 5.5.1 No"),
    ],
)
@pytest.mark.parametrize("server_closes", [False, True])
def test_mail_that_demands_tls_does_not_go_in_clear(
    keywords: tuple[str, ...], status: str, text: str, server_closes: bool
) -> None:
    """Even if the server is gone before we can say goodbye."""
    rules = []
    if server_closes:
        said = "250-mx\r\n" + "".join(f"250-{keyword}\r\n" for keyword in keywords) + "250 HELP\r\n"
        rules = [Rule(match="^EHLO", raw=said.encode(), then="reset")]
        if keywords:
            status = "4.4.2"
            text = "lost connection with mx.example.test[127.0.0.1] while receiving the STARTTLS response"
    elif keywords:
        rules = [Rule(match="^STARTTLS", reply="502 5.5.1 No")]
    refused, commands, _ = refuse(*rules, keywords=keywords, smtp_tls_security_level="encrypt")
    assert commands[0] == "EHLO me.example.test"
    assert (refused.failure.status, refused.failure.text) == (status, text)


def test_tls_that_is_not_required_is_not_begun_over_a_unix_domain_socket(tmp_path: Any) -> None:
    async def main() -> None:
        async with ScriptedServer(lmtp=True, path=tmp_path / "s") as peer:
            session = await open_to(peer, [], transport=Transport.LMTP, lmtp_tls_security_level="may")
            assert isinstance(session, Session)
            assert peer.sessions[0].commands == ["LHLO me.example.test"]
            session.connection.close()

    run(main())


NON_ASCII = PLAIN._replace(envelope=Envelope("jürgen@example.test", PLAIN.envelope.recipients, smtputf8=True))


def test_a_message_that_needs_smtputf8_goes_elsewhere_and_bounces_in_the_end() -> None:
    refused, commands, _ = refuse(keywords=("PIPELINING",), request=NON_ASCII)
    assert commands == ["EHLO me.example.test", "QUIT"]
    assert refused.failure.status == "5.6.7"
    assert refused.failure.scope is Scope.MESSAGE
    assert refused.failure.soft_before_last
    assert refused.failure.text == "SMTPUTF8 is required, but was not offered by host mx.example.test[127.0.0.1]"


def test_smtputf8_brings_8bitmime_along() -> None:
    events: list[Event] = []

    async def main() -> Session | NoSession:
        async with ScriptedServer(keywords=("SMTPUTF8",)) as peer:
            session = await open_to(peer, events, request=NON_ASCII)
            assert isinstance(session, Session)
            session.connection.close()
            return session

    session = run(main())
    assert isinstance(session, Session)
    assert session.offered.eight_bit_mime
    assert events[0] == Noted("host mx.example.test[127.0.0.1] offers SMTPUTF8 support, but not 8BITMIME")


def test_what_is_odd_in_replies_is_told_with_the_message_that_it_concerns() -> None:
    limit = 2048
    lines = b"*** hello ***\r\n220 " + b"x" * limit + b"\r\n"
    session, _, events = admit(Rule(on="greeting", raw=lines))
    assert events[0] == ReplyGarbled("QID", session.server, False, "*** hello ***")
    assert events[1] == ReplyOverlong(session.server, limit, False, "220 " + "x" * 26)


def test_a_reply_may_be_replaced(tmp_path: Any) -> None:
    table = tmp_path / "filter"
    table.write_text("/^220 (.*)/ 220 filtered $1\n")
    session, _, events = admit(Rule(on="greeting", reply="220 mx"), smtp_reply_filter=f"regexp:{table}")
    assert events[0] == ReplyReplaced(session.server, "220 mx", "220 filtered mx")
