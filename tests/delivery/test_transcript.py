"""What was said in a session, and when the postmaster hears of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mailrider.delivery.transcript import SessionTranscript, find_classes
from mailrider.events import CommandSent, ReplyReceived, SessionBlamed
from mailrider.model.request import Transport
from mailrider.smtp.reply import Reply
from mailrider.testkit.peers import ScriptedServer
from mailrider.testkit.rules import Rule
from virtual_time import run

from .scene import Scene, at, profile_of

PROTOCOL = {"notify_classes": "protocol"}
SYNTAX = Rule(match="^RCPT", reply="501 5.1.3 what?")
GREETED = ("In:  220 mx.example.test ESMTP", "Out: EHLO me.example.test")


def hear(*rules: Rule, times: int = 1, keywords: tuple[str, ...] = (), lmtp: bool = False, **given: Any) -> list[SessionBlamed]:
    """What the postmaster hears of one delivery, or of some in a row."""
    options = {name: given.pop(name) for name in ("sender", "cache_load", "cache_store") if name in given}
    told: list[SessionBlamed] = []

    async def main() -> None:
        async with ScriptedServer(*rules, keywords=keywords, lmtp=lmtp) as peer:
            async with Scene(Transport.LMTP if lmtp else Transport.SMTP, **{**PROTOCOL, **given}) as scene:
                for _ in range(times):
                    await scene.deliver(f"inet:{at(peer)}" if lmtp else at(peer), **options)
            told.extend(scene.told(SessionBlamed))  # after the end: replies to QUIT are waited for

    run(main())
    return told


def test_the_whole_conversation_up_to_the_reply_to_quit() -> None:
    (told,) = hear(SYNTAX, smtp_skip_quit_response=False)
    assert (told.queue_id, told.transport, told.server.host) == ("QID", Transport.SMTP, "127.0.0.1")
    assert told.lines == (
        *GREETED, "In:  250 mx.example.test",
        "Out: MAIL FROM:<a@example.test>", "In:  250 2.1.0 Ok",
        "Out: RCPT TO:<b@example.test>", "In:  501 5.1.3 what?",
        "Out: RSET", "In:  250 2.0.0 Ok",
        "Out: QUIT", "In:  221 2.0.0 Bye",
    )  # fmt: skip


def test_what_nobody_waits_for_after_quit_is_not_heard() -> None:
    (told,) = hear(SYNTAX, keywords=("PIPELINING",))
    assert told.lines[-3:] == ("Out: RSET", "Out: QUIT", "In:  250 2.0.0 Ok")


@pytest.mark.parametrize(
    "rule",
    [
        Rule(on="greeting", reply="300 who?"),
        Rule(match="^(EHLO|HELO)", reply="502 5.5.1 never heard"),
        Rule(match="^MAIL", reply="555 5.5.4 no such parameter"),
        Rule(match="^DATA", reply="250 fine"),
        Rule(on="dot", reply="600 six"),
        Rule(match="^MAIL", raw=b"rubbish\r\n250 ok\r\n"),
    ],
)
def test_what_is_out_of_place_is_told(rule: Rule) -> None:
    assert len(hear(rule)) == 1
    assert hear(rule, notify_classes="resource, software, data") == []


@pytest.mark.parametrize(
    "rule",
    [Rule(), Rule(match="^RCPT", reply="550 no"), Rule(match="^MAIL", reply="451 no"), Rule(match="^RCPT", then="close")],
)
def test_what_is_in_order_is_not(rule: Rule) -> None:
    assert hear(rule) == []


@pytest.mark.parametrize(("sender", "count"), [("a@x", 1), ("", 0), ("ours@me.example.test", 0), ("ours@other", 1)])
@pytest.mark.parameter("double_bounce_sender")
def test_notices_beget_no_notices(sender: str, count: int) -> None:
    assert len(hear(SYNTAX, sender=sender, double_bounce_sender="ours")) == count


def test_a_table_that_cannot_answer_is_of_class_data() -> None:
    (told,) = hear(notify_classes="data", smtp_reply_filter="fail:x")
    assert told.lines[0] == "In:  220 mx.example.test ESMTP"
    assert hear(smtp_reply_filter="fail:x") == []
    assert len(hear(notify_classes="data", smtp_generic_maps="fail:x")) == 1


def test_a_reply_that_breaks_off_is_in_it() -> None:
    (told,) = hear(Rule(match="^MAIL", raw=b"rubbish\r\n", then="close"))
    assert told.lines[-2:] == ("Out: MAIL FROM:<a@example.test>", "In:  rubbish")


def test_a_replaced_reply_is_shown_with_what_was_said(tmp_path: Path) -> None:
    (tmp_path / "filter").write_text("/^250 2.1.5/ 500 no\n")
    (told,) = hear(smtp_reply_filter=f"regexp:{tmp_path}/filter")
    place = told.lines.index("In:  250 2.1.5 Ok")
    assert told.lines[place : place + 3] == ("In:  250 2.1.5 Ok", "Replaced-by: ", "     500 no")


def test_a_transcript_is_about_one_message() -> None:
    second = Rule(match="^RCPT", nth=2, reply="501 5.1.3 what?")
    (told,) = hear(second, times=2, cache_load=True, cache_store=True)
    assert told.lines[0] == "Out: RSET"
    assert sum(line.startswith("Out: MAIL") for line in told.lines) == 1


def test_lmtp_has_one_too() -> None:
    (told,) = hear(Rule(match="^LHLO", reply="500 what?"), lmtp=True)
    assert told.transport is Transport.LMTP


def test_nothing_is_kept_where_nobody_wants_it() -> None:
    assert profile_of().transcript_classes == frozenset()
    assert profile_of(notify_classes="bounce, policy, software").transcript_classes == frozenset()
    assert find_classes(profile_of(notify_classes="data").settings) == {"data"}


def test_the_log_may_have_the_dialogue_as_well() -> None:
    async def main() -> None:
        async with ScriptedServer(SYNTAX) as peer, Scene(debug_peer_list="127.0.0.1", **PROTOCOL) as scene:
            await scene.deliver(at(peer))
        assert scene.told(SessionBlamed)
        assert scene.told(CommandSent)[0].line == "EHLO me.example.test"
        assert "501 5.1.3 what?" in [event.text for event in scene.told(ReplyReceived)]

    run(main())


def test_what_a_server_says_is_printable() -> None:
    transcript = SessionTranscript(frozenset({"protocol"}))
    transcript.reply(Reply(250, (b"250 \x1b[31m\xff",), b"250 \x1b[31m\xff"))
    assert transcript.lines() == ("In:  250 ?[31m?",)


@pytest.mark.parametrize("offered", ["AUTH PLAIN", "AUTH LOGIN", "AUTH CRAM-MD5"])
def test_passwords_are_not_in_it(offered: str) -> None:
    challenge = Rule(match="^AUTH (LOGIN|CRAM-MD5)", reply="334 PDEyM0B4Pg==")
    (told,) = hear(
        challenge, Rule(match="^AUTH PLAIN|^[A-Za-z0-9+/]+=*$", reply="501 5.5.2 what?"),
        keywords=(offered,), smtp_sasl_auth_enable=True, smtp_sasl_password_maps="static:joe:secret",
        smtp_sasl_security_options="",
    )  # fmt: skip
    start = told.lines.index(next(line for line in told.lines if line.startswith("Out: AUTH")))
    said = told.lines[start : told.lines.index("In:  501 5.5.2 what?")]
    if "PLAIN" in offered:
        assert said == ("Out: AUTH PLAIN ***",)
    else:
        assert said == (f"Out: {offered}", "In:  334 PDEyM0B4Pg==", "Out: ***")
