"""Dialogues with the receiving side."""

from __future__ import annotations

import base64
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailrider.intake.heading import HEADER_LIMIT_OCTETS
from mailrider.intake.message import HEADER_TOO_LARGE
from mailrider.intake.terms import Verdict
from mailrider.model.request import BodyType, Notify, Transport

from .scene import DATE, FACTS, LOCAL, STRANGER, TERMS, Talk

TEXT = b"From: a@b.example\r\nDate: now\r\nMessage-Id: <1@b>\r\n\r\nbody\r\n"


def codes(replies: list[str]) -> list[str]:
    return [reply[:3] for reply in replies]


def test_a_message_from_beginning_to_end() -> None:
    talk = Talk()
    assert talk.greeting == "220 node.example ESMTP"
    assert talk.send(TEXT) == ["250 2.0.0 Ok: queued as 4jX"]
    (taken,) = talk.door.taken
    assert taken.mail.envelope.sender == "a@b.example"
    assert [one.address for one in taken.mail.envelope.recipients] == ["c@d.example"]
    assert taken.mail.client == {
        "name": "localhost", "addr": "127.0.0.1", "port": "4711", "proto": "ESMTP", "helo": "me.example", "source": "LOCAL",
    }  # fmt: skip
    received = (
        "Received: from me.example (localhost [127.0.0.1])\r\n"
        "\tby node.example (Mailrider) with ESMTP id 4jX\r\n"
        f"\tfor <c@d.example>; {DATE}\r\n"
    )
    assert taken.text == received.encode() + TEXT
    assert talk.door.told == ["4jX: client=localhost[127.0.0.1]", "4jX: message-id=<1@b>"]
    assert talk.say("QUIT") == ["221 2.0.0 Bye"]
    assert talk.door.is_closed


def test_what_is_offered() -> None:
    assert Talk().say("EHLO me") == [
        "250-node.example", "250-PIPELINING", "250-SIZE 10240000", "250-ENHANCEDSTATUSCODES", "250-8BITMIME", "250-DSN",
        "250-SMTPUTF8", "250 CHUNKING",
    ]  # fmt: skip
    terms = TERMS._replace(
        has_tls=True, login_mechanisms=("PLAIN", "LOGIN"), message_size_limit=0, smtputf8=False,
        hidden_keywords=frozenset({"dsn", "chunking"}),
    )  # fmt: skip
    assert Talk(terms, LOCAL._replace(may_forward=True)).say("EHLO me") == [
        "250-node.example", "250-PIPELINING", "250-SIZE", "250-STARTTLS", "250-AUTH PLAIN LOGIN",
        "250-XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE", "250-ENHANCEDSTATUSCODES", "250 8BITMIME",
    ]  # fmt: skip
    assert Talk().say("HELO me") == ["250 node.example"]


def test_dsn_parameters() -> None:
    talk = Talk()
    talk.say("EHLO me", "MAIL FROM:<> RET=hdrs ENVID=a+2Bb BODY=8BITMIME SIZE=5")
    assert (
        talk.say("RCPT TO:<c@d> NOTIFY=success,DELAY ORCPT=rfc822;x+40y", "RCPT TO:<e@f> NOTIFY=NEVER") == ["250 2.1.5 Ok"] * 2
    )
    talk.say("DATA")
    talk.feed(TEXT + b".\r\n")
    envelope = talk.door.taken[0].mail.envelope
    assert (envelope.sender, envelope.ret, envelope.envid, envelope.body) == ("", "hdrs", "a+b", BodyType.EIGHT_BIT)
    first, second = envelope.recipients
    assert (first.notify, first.orcpt) == (Notify.SUCCESS | Notify.DELAY, "rfc822;x@y")
    assert (second.notify, second.orcpt) == (Notify.NEVER, "")


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        ("MAIL", "501 5.5.4 Syntax: MAIL FROM:<address>"),
        ("MAIL FROM:<a@b", "501 5.1.7 Bad sender address syntax"),
        ("MAIL FROM:<a@@b>", "501 5.1.7 Bad sender address syntax"),
        ("MAIL FROM:<a@b> SIZE=x", "501 5.5.4 Bad message size syntax"),
        ("MAIL FROM:<a@b> SIZE=10240001", "552 5.3.4 Message size exceeds fixed limit"),
        ("MAIL FROM:<a@b> SIZE=" + 30 * "9", "552 5.3.4 Message size exceeds file system imposed limit"),
        ("MAIL FROM:<a@b> BODY=9BIT", "555 5.5.4 Unsupported option: BODY=9BIT"),
        ("MAIL FROM:<a@b> RET=HALF", "501 5.5.4 Bad RET parameter syntax"),
        ("MAIL FROM:<a@b> ENVID=a+0A", "501 5.5.4 Bad ENVID parameter syntax"),
        ("MAIL FROM:<a@b> REQUIRETLS", "555 5.5.4 Unsupported option: REQUIRETLS"),
        ("MAIL FROM:<\u00e4@b>", "553 5.6.7 Must declare SMTPUTF8 to send unicode address"),
        ("RCPT TO:<a@b>", "503 5.5.1 Error: need MAIL command"),
        ("DATA", "503 5.5.1 Error: need RCPT command"),
        ("AUTH PLAIN", "503 5.5.1 Error: authentication not enabled"),
        ("STARTTLS", "502 5.5.1 Error: STARTTLS is not offered"),
        ("XFORWARD NAME=x", "550 5.7.0 Error: insufficient authorization"),
        ("EHLO", "501 Syntax: EHLO hostname"),
        ("LHLO me", "500 5.5.2 Error: command not recognized"),
        ("ETRN x", "500 5.5.2 Error: command not recognized"),
        ("", "500 5.5.2 Error: bad syntax"),
        (4000 * "x", "500 5.5.2 node.example Error: command too long"),
    ],
)
def test_what_is_refused(line: str, reply: str) -> None:
    talk = Talk()
    assert talk.say(line) == [reply]
    assert codes(talk.envelope())[-2:] == ["250", "250"], "the conversation goes on"


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        ("RCPT TO:<>", "501 5.1.3 Bad recipient address syntax"),
        ("RCPT TO:", "501 5.1.3 Bad recipient address syntax"),
        ("RCPT FROM:<a@b>", "501 5.5.4 Syntax: RCPT TO:<address>"),
        ("RCPT TO:<a@b> NOTIFY=NEVER,DELAY", "501 5.5.4 Error: Bad NOTIFY parameter syntax"),
        ("RCPT TO:<a@b> ORCPT=x@y", "501 5.5.4 Error: Bad ORCPT parameter syntax"),
        ("RCPT TO:<a@b> ORCPT=rfc822;a+0Db", "501 5.5.4 Error: Bad ORCPT parameter syntax"),
        ("RCPT TO:<a@b> X=Y", "555 5.5.4 Unsupported option: X=Y"),
        ("MAIL FROM:<a@b>", "503 5.5.1 Error: nested MAIL command"),
        ("DATA now", "503 5.5.1 Error: need RCPT command"),
    ],
)
def test_what_is_refused_inside_a_transaction(line: str, reply: str) -> None:
    talk = Talk()
    talk.say("EHLO me", "MAIL FROM:<a@b>")
    assert talk.say(line) == [reply]


def test_strangers_do_not_relay_and_nobody_is_left() -> None:
    talk = Talk(client=STRANGER)
    assert talk.envelope()[-1] == "554 5.7.1 <c@d.example>: Relay access denied"
    assert talk.say("DATA") == ["554 5.5.1 Error: no valid recipients"]
    assert "reject: RCPT from mx.far.example[192.0.2.7]" in talk.door.told[0]
    assert not talk.door.taken


def test_addresses_without_a_domain_get_one() -> None:
    talk = Talk()
    talk.send(TEXT, "<root>", "<postmaster>", '<"john doe"@d.example>')
    envelope = talk.door.taken[0].mail.envelope
    assert envelope.sender == "root@origin.example"
    assert [one.address for one in envelope.recipients] == ["postmaster@origin.example", "john doe@d.example"]


def test_addresses_are_written_as_everywhere() -> None:
    talk = Talk()
    text = b"Subject: x\r\n \r\nBcc: secret\r\n\r\ntext\r\n"
    talk.send(text, "<MAILER-DAEMON@origin.example>", "<@r.example:b@c.example.>", "<s.example!u>", "<u%c.example>")
    (taken,) = talk.door.taken
    assert taken.mail.envelope.sender == ""
    assert [one.address for one in taken.mail.envelope.recipients] == ["b@c.example", "u@s.example", "u@c.example"]
    assert b"\r\nSubject: x\r\n \r\nMessage-Id: " in taken.text
    assert b"secret" not in taken.text


def test_too_many_recipients() -> None:
    talk = Talk(TERMS._replace(recipient_limit=2))
    assert codes(talk.envelope("<a@b>", "<1@d>", "<2@d>", "<3@d>"))[-3:] == ["250", "250", "452"]
    talk.say("DATA")
    talk.feed(TEXT + b".\r\n")
    assert len(talk.door.taken[0].mail.envelope.recipients) == 2


def test_a_group_of_commands_gets_its_replies_together() -> None:
    talk = Talk()
    talk.say("EHLO me")
    before = talk.door.writes
    replies = talk.feed(
        b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n"
        + TEXT
        + b".\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nBDAT 3 LAST\r\nabcQUIT\r\n"
    )
    assert codes(replies) == ["250", "250", "354", "250", "250", "250", "250", "221"]
    assert talk.door.writes - before <= 3
    assert len(talk.door.taken) == 2


def test_lmtp_answers_for_each_recipient() -> None:
    talk = Talk(transport=Transport.LMTP)
    assert talk.greeting == "220 node.example LMTP"
    assert talk.say("EHLO me") == ["500 5.5.2 Error: command not recognized"]
    assert talk.say("MAIL FROM:<a@b>") == ["503 5.5.1 Error: send LHLO first"]
    talk.say("LHLO me", "MAIL FROM:<a@b>", "RCPT TO:<c@d>", "RCPT TO:<c@@d>", "RCPT TO:<e@f>", "DATA")
    assert talk.feed(TEXT + b".\r\n") == ["250 2.0.0 Ok: queued as 4jX"] * 2
    assert talk.door.taken[0].mail.transport is Transport.LMTP
    assert b" with LMTP id 4jX; " in talk.door.taken[0].text


def test_chunks() -> None:
    talk = Talk()
    talk.envelope()
    assert talk.feed(b"BDAT 5\r\nSubje") == ["250 2.0.0 Ok: 5 bytes"]
    assert talk.say("RCPT TO:<x@y>", "DATA") == ["503 5.5.1 Error: RCPT after BDAT", "503 5.5.1 Error: DATA after BDAT"]
    assert talk.feed(b"BDAT 12\r\nct: x\r\n\r\n.\r\n") == ["250 2.0.0 Ok: 12 bytes"]
    assert talk.feed(b"BDAT 0 LAST\r\n") == ["250 2.0.0 Ok: queued as 4jX"]
    assert talk.door.taken[0].text.endswith(b"\r\n\r\n.\r\n")
    assert b"Subject: x\r\n" in talk.door.taken[0].text


def test_chunks_for_nobody_are_read_and_refused() -> None:
    talk = Talk(client=STRANGER)
    talk.envelope()
    assert talk.feed(b"BDAT 4\r\nQUIT") == ["554 5.5.1 Error: no valid recipients"]
    assert talk.feed(b"BDAT 6 LAST\r\nRSET\r\n") == ["554 5.5.1 Error: no valid recipients"]
    assert not talk.door.is_closed
    assert talk.feed(b"BDAT x\r\n") == ["521 5.5.4 Syntax: BDAT count [LAST]"]
    assert talk.door.is_closed


def test_a_message_beyond_the_limit_is_dropped_and_refused_at_its_end() -> None:
    talk = Talk(TERMS._replace(message_size_limit=1000))
    talk.envelope()
    talk.say("DATA")
    assert talk.feed(b"Subject: x\r\n\r\n" + 100 * b"0123456789\r\n") == []
    assert len(talk.door.dropped) <= 1
    assert talk.feed(100 * b"0123456789\r\n" + b".\r\n") == ["552 5.3.4 Error: message file too big"]
    assert not talk.door.taken
    assert talk.send(b"x\r\n")[-1].startswith("250")


def test_a_header_that_does_not_end_is_refused() -> None:
    talk = Talk(TERMS._replace(message_size_limit=0))
    talk.envelope()
    talk.say("DATA")
    for _ in range(HEADER_LIMIT_OCTETS // 900):
        talk.feed(b"A: " + b"b" * 900 + b"\r\n")
    assert talk.say("Bcc: secret", "", "body", ".") == [HEADER_TOO_LARGE]
    assert not talk.door.taken


def test_a_message_that_goes_in_circles() -> None:
    talk = Talk(TERMS._replace(hop_limit=3))
    assert talk.send(2 * b"Received: x\r\n" + TEXT)[-1].startswith("250")
    assert talk.send(3 * b"Received: x\r\n" + TEXT) == ["554 5.4.0 Error: too many hops"]


def test_what_the_spool_refuses_is_told() -> None:
    talk = Talk(verdict=Verdict(refusal="452 4.3.1 Insufficient system storage"))
    assert talk.send(TEXT) == ["452 4.3.1 Insufficient system storage"]
    assert codes(talk.envelope())[-2:] == ["250", "250"]


def test_nothing_is_said_before_the_spool_has_answered() -> None:
    talk = Talk(verdict=None)
    assert talk.send(TEXT) == []
    assert talk.conversation.is_busy
    assert talk.say("QUIT") == []
    talk.conversation.settle(Verdict("4jY"))
    assert talk.door.replies[-2:] == ["250 2.0.0 Ok: queued as 4jY", "221 2.0.0 Bye"]


def test_shutdown_waits_for_what_has_ended_and_for_nothing_else() -> None:
    talk = Talk(verdict=None)
    talk.send(TEXT)
    talk.conversation.end("421 4.3.2 bye")
    assert not talk.door.is_closed
    talk.conversation.settle(Verdict("4jY"))
    assert talk.door.replies[-2:] == ["250 2.0.0 Ok: queued as 4jY", "421 4.3.2 bye"]
    assert talk.door.is_closed

    other = Talk()
    other.envelope()
    other.say("DATA")
    other.feed(TEXT)
    other.conversation.end("421 4.3.2 bye")
    assert other.door.replies[-1] == "421 4.3.2 bye"
    assert len(other.door.dropped) == 1
    assert not other.door.taken


def test_a_client_that_goes_leaves_nothing_behind() -> None:
    talk = Talk()
    talk.envelope()
    talk.say("DATA")
    talk.feed(TEXT)
    talk.conversation.lose()
    octets = len(TEXT) - 2  # its last line end may belong to the end of the message
    assert talk.door.told[-1] == f"lost connection after DATA ({octets} bytes) from localhost[127.0.0.1]"
    assert len(talk.door.dropped) == 1
    assert talk.feed(b".\r\n") == []


def test_why_and_where_a_session_ended_before_its_time() -> None:
    def told(talk: Talk) -> str:
        return talk.door.told[-1].removesuffix(" from localhost[127.0.0.1]")

    talk = Talk()
    talk.conversation.lose()
    assert told(talk) == "lost connection after CONNECT"
    talk = Talk()
    talk.say("EHLO me", "FROB")
    talk.conversation.lose()
    assert told(talk) == "lost connection after UNKNOWN"
    talk = Talk()
    talk.envelope()
    talk.conversation.time_out()
    assert told(talk) == "timeout after RCPT"
    talk = Talk()
    talk.envelope()
    talk.feed(b"BDAT 20\r\n1234567")
    talk.conversation.time_out()
    assert told(talk) == "timeout after BDAT (7 bytes)"
    talk = Talk(TERMS._replace(hard_error_limit=2, soft_error_limit=2))
    talk.say("FROB", "FROB", "FROB")
    assert told(talk) == "too many errors after UNKNOWN"
    talk = Talk(verdict=None)
    talk.send(TEXT)
    talk.conversation.lose()
    assert told(talk) == "lost connection after END-OF-MESSAGE"
    talk.conversation.settle(Verdict("4jY"))
    assert talk.door.replies[-1].startswith("354"), "nobody is there to hear it"


def test_rset_and_a_new_greeting_forget_the_transaction() -> None:
    for line in ("RSET", "EHLO again"):
        talk = Talk()
        talk.envelope()
        talk.feed(b"BDAT 20\r\nSubject: x\r\n\r\ntext!!")
        talk.say(line)
        assert talk.say("DATA") == ["503 5.5.1 Error: need RCPT command"]
        assert len(talk.door.dropped) == 1


# TLS and logins


def test_starttls_begins_anew_and_forgets_what_came_in_clear() -> None:
    talk = Talk(TERMS._replace(has_tls=True, needs_tls=True, tells_tls=True))
    assert talk.say("EHLO me", "MAIL FROM:<a@b>")[-1] == "530 5.7.0 Must issue a STARTTLS command first"
    assert talk.feed(b"STARTTLS\r\nMAIL FROM:<evil@x>\r\n") == ["220 2.0.0 Ready to start TLS"]
    assert talk.door.secures == 1
    talk.conversation.secured(FACTS)
    assert talk.say("RCPT TO:<c@d>") == ["503 5.5.1 Error: need MAIL command"]
    capabilities = talk.say("EHLO me")
    assert "250-STARTTLS" not in capabilities
    assert "250-REQUIRETLS" in capabilities
    assert talk.say("STARTTLS") == ["554 5.5.1 Error: TLS already active"]
    talk.send(TEXT, "<a@b> REQUIRETLS")
    taken = talk.door.taken[0]
    assert taken.mail.envelope.requiretls
    assert b"\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)\r\n" not in taken.text
    assert b"\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits))\r\n" in taken.text
    assert b"with ESMTPS id" in taken.text


@pytest.mark.parameter("requiretls_esmtp_header")
@pytest.mark.parametrize("passes", [True, False])
def test_requiretls_comes_back_from_a_filter_that_does_not_know_it(passes: bool) -> None:
    talk = Talk(TERMS._replace(passes_requiretls=passes))
    talk.say("EHLO me")
    talk.send(b"Require-TLS-ESMTP: yes\r\n" + TEXT)
    assert talk.door.taken[0].mail.envelope.requiretls is passes


LOGINS = TERMS._replace(login_mechanisms=("PLAIN", "LOGIN"), tells_login=True, error_sleep_seconds=0)


def encode(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "lines",
    [
        [f"AUTH PLAIN {encode(chr(0) + 'joe' + chr(0) + 'secret')}"],
        ["AUTH PLAIN", encode("joe" + chr(0) + "joe" + chr(0) + "secret")],
        ["AUTH LOGIN", encode("joe"), encode("secret")],
        [f"auth login {encode('joe')}", encode("secret")],
    ],
)
def test_who_logs_in_may_relay(lines: list[str]) -> None:
    talk = Talk(LOGINS, STRANGER)
    talk.say("EHLO me")
    for line in lines[:-1]:
        assert talk.say(line)[-1].startswith("334 ")
    assert talk.say(lines[-1]) == []
    assert talk.door.logins == [("joe", "secret")]
    talk.conversation.admit(True)
    assert talk.door.replies[-1] == "235 2.7.0 Authentication successful"
    assert talk.say("AUTH PLAIN") == ["503 5.5.1 Error: already authenticated"]
    assert talk.send(TEXT)[-1].startswith("250")
    text = talk.door.taken[0].text
    assert b"\t(Authenticated sender: joe)\r\n" in text
    assert b"with ESMTPA id" in text
    assert "4jX: client=mx.far.example[192.0.2.7], sasl_username=joe" in talk.door.told


@pytest.mark.parametrize(("answer", "code"), [(False, "535"), (None, "454")])
def test_who_is_not_believed_does_not_relay(answer: bool | None, code: str) -> None:
    talk = Talk(LOGINS, STRANGER)
    talk.say("EHLO me", f"AUTH PLAIN {encode(chr(0) + 'joe' + chr(0) + 'x')}")
    talk.conversation.admit(answer)
    assert talk.door.replies[-1].startswith(code)
    assert talk.envelope()[-1].startswith("554 5.7.1")


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        (["AUTH CRAM-MD5"], "535"), (["AUTH PLAIN !!"], "501"), (["AUTH PLAIN =x"], "501"), (["AUTH"], "501"),
        (["AUTH PLAIN ="], "535"), (["AUTH PLAIN", encode("x" + chr(0) + "joe" + chr(0) + "secret")], "535"),
        (["AUTH LOGIN", "*"], "501"), (["AUTH LOGIN", "?"], "501"),
        (["AUTH LOGIN", encode("joe"), encode("a\0b")], "535"), (["AUTH PLAIN", "x" * 20_000], "500"),
    ],
)  # fmt: skip
def test_logins_that_make_no_sense(lines: list[str], code: str) -> None:
    talk = Talk(LOGINS, STRANGER)
    talk.say("EHLO me")
    for line in lines:
        replies = talk.say(line)
    assert replies[-1].startswith(code)
    assert not talk.door.logins
    assert talk.say("NOOP") == ["250 2.0.0 Ok"]


def test_nobody_logs_in_in_clear_where_that_is_forbidden() -> None:
    talk = Talk(LOGINS._replace(login_needs_tls=True, has_tls=True))
    assert not any("AUTH" in line for line in talk.say("EHLO me"))
    assert talk.say("AUTH PLAIN")[0].startswith("538 5.7.11")
    talk.say("STARTTLS")
    talk.conversation.secured(FACTS)
    assert any("AUTH PLAIN LOGIN" in line for line in talk.say("EHLO me"))


# XFORWARD


def test_xforward_speaks_for_another_client() -> None:
    talk = Talk(client=LOCAL._replace(may_forward=True))
    talk.say("EHLO me")
    assert (
        talk.say(
            "XFORWARD NAME=spike.example ADDR=192.0.2.9 PORT=25 PROTO=ESMTP",
            "XFORWARD HELO=sp+2Bike IDENT=[UNAVAILABLE] SOURCE=REMOTE",
        )
        == ["250 2.0.0 Ok"] * 2
    )
    talk.send(TEXT)
    assert talk.door.taken[0].mail.client == {
        "name": "spike.example", "addr": "192.0.2.9", "port": "25", "proto": "ESMTP", "helo": "sp+ike", "source": "REMOTE",
    }  # fmt: skip


@pytest.mark.parametrize(
    "rest", ["", "NAME", "X=y", "ADDR=z", "PORT=x", "SOURCE=here", "NAME=a+0A", "NAME=", f"HELO={'x' * 300}"]
)
def test_xforward_that_makes_no_sense(rest: str) -> None:
    talk = Talk(client=LOCAL._replace(may_forward=True))
    assert talk.say(f"XFORWARD {rest}")[0].startswith("501 5.5.4")


# Errors


def test_many_errors_are_answered_slowly_and_then_not_at_all() -> None:
    talk = Talk(TERMS._replace(soft_error_limit=2, hard_error_limit=4, error_sleep_seconds=1.0))
    assert talk.say("X1", "X2", "X3", "X4") == ["500 5.5.2 Error: command not recognized"] * 2
    assert talk.door.pauses == [1.0]
    assert talk.conversation.is_busy
    talk.conversation.resume()
    assert talk.door.replies[-2:] == [
        "500 5.5.2 Error: command not recognized",
        "421 4.7.0 node.example Error: too many errors",
    ]
    assert talk.door.is_closed


def test_junk_commands_are_errors_in_the_end() -> None:
    talk = Talk(TERMS._replace(junk_command_limit=5, hard_error_limit=8, error_sleep_seconds=0))
    assert talk.say(*["NOOP"] * 50) == ["250 2.0.0 Ok"] * 14 + ["421 4.7.0 node.example Error: too many errors"]
    assert talk.door.is_closed


def test_errors_are_forgiven_when_a_message_was_taken() -> None:
    talk = Talk(TERMS._replace(junk_command_limit=3, hard_error_limit=4, error_sleep_seconds=0))
    for _ in range(5):
        assert codes(talk.say("RSET", "RSET", "X", "X")) == ["250", "250", "500", "500"]
        assert codes(talk.send(TEXT)) == ["250"]
    assert talk.conversation.tally.tell() == (
        " ehlo=5 mail=5 rcpt=5 data=5 rset=10 unknown=0/10 commands=30/40"
    )


def test_lines_that_are_too_long_are_borne_with_as_other_errors() -> None:
    talk = Talk(TERMS._replace(hard_error_limit=3, error_sleep_seconds=0))
    assert codes(talk.feed((b"x" * 4000 + b"\r\n") * 1000)) == ["500", "500", "500", "421"]


def test_the_tally_tells_what_was_done_of_what_was_said() -> None:
    talk = Talk(LOGINS)
    talk.say("EHLO me", "AUTH PLAIN AGpvZQB4")
    talk.conversation.admit(False)
    talk.say("AUTH LOGIN", "*", "GARBAGE", "", "MAIL FROM:<a@b>", "RCPT TO:<c@d>", "RCPT TO:<>", "DATA", "half")
    talk.conversation.lose()
    assert talk.conversation.tally.tell() == (
        " ehlo=1 auth=0/2 mail=1 rcpt=1/2 data=0/1 unknown=0/2 commands=3/9"
    )


def test_a_browser_is_shown_the_door() -> None:
    talk = Talk()
    assert talk.say("POST / HTTP/1.1", "Host: x", "", "MAIL FROM:<a@b>") == [
        "221 2.7.0 Error: I can break rules, too. Goodbye."
    ]
    assert talk.door.is_closed


def test_replies_hold_nothing_that_a_client_could_smuggle_in() -> None:
    talk = Talk()
    for octets in (b"MAIL FROM:<a@b> X=\x07\xc3\xa9\r\n", b"EHLO a\x00b\r\n", b"VRFY \x1b[2J\r\n", b"\xff\xfe\r\n"):
        for reply in talk.feed(octets):
            assert reply.isascii()
            assert reply.isprintable()


# Anything at all

WORDS = st.sampled_from(
    [
        b"EHLO me\r\n", b"LHLO me\r\n", b"MAIL FROM:<a@b>\r\n", b"RCPT TO:<c@d>\r\n", b"DATA\r\n", b"\r\n.\r\n", b"BDAT 5\r\n",
        b"BDAT 3 LAST\r\n", b"RSET\r\n", b"AUTH LOGIN\r\n", b"am9l\r\n", b"*\r\n", b"NOOP\n", b"x: y\r\n", b"\r\n", b"\n.\n",
        b"a", b"STARTTLS\r\n", b"XFORWARD NAME=x\r\n", b"QUIT\r\n", b"\xff\x00", b"\r", b"\n", b".", b"VRFY x\r\n",
    ]
)  # fmt: skip


def play(octets: list[bytes], transport: Transport) -> tuple[list[str], list[bytes]]:
    terms = TERMS._replace(login_mechanisms=("PLAIN", "LOGIN"), error_sleep_seconds=0, message_size_limit=200)
    talk = Talk(terms, LOCAL._replace(may_forward=True), transport)
    for piece in octets:
        talk.feed(piece)
        if talk.conversation.is_busy:
            talk.conversation.admit(False)
    talk.conversation.lose()
    assert talk.door.current is None, "nothing is left open"
    return talk.door.replies, [taken.text for taken in talk.door.taken]


@given(
    st.lists(st.one_of(WORDS, st.binary(max_size=8)), max_size=30), st.lists(st.integers(0, 2000), max_size=10), st.booleans()
)
@settings(max_examples=300)
def test_anything_may_come_and_cuts_change_nothing(parts: list[bytes], places: list[int], lmtp: bool) -> None:
    transport = Transport.LMTP if lmtp else Transport.SMTP
    octets = b"".join(parts)
    if b"AUTH" in octets.upper():
        play([octets], transport)  # what comes while a login is being checked depends on when it is answered here
        return
    edges = [0, *sorted({place % (len(octets) + 1) for place in places}), len(octets)]
    cut = [octets[start:end] for start, end in pairwise(edges)]
    assert play(cut, transport) == play([octets], transport)


def test_what_is_kept_is_bounded() -> None:
    talk = Talk()
    for _ in range(100):
        talk.feed(b"x" * 1000)
        assert talk.conversation.kept_octets <= TERMS.line_length_limit + 1000
    assert talk.say("") == ["500 5.5.2 node.example Error: command too long"]


def test_reject_means_reject() -> None:
    terms = TERMS._replace(refuses_bare_lf=True)
    talk = Talk(terms)
    talk.envelope()
    talk.say("DATA")
    assert talk.feed(b"a: b\r\n\r\nx\ny\r\n.\r\n") == ["550 5.5.2 node.example Error: bare <LF> received"]
    assert not talk.door.taken
    assert talk.feed(b"NOOP\n") == ["550 5.5.2 node.example Error: bare <LF> received"]
    assert talk.door.is_closed
    excepted = Talk(terms, LOCAL._replace(may_send_bare_lf=True))
    assert excepted.send(b"a: b\r\n\r\nx\ny\r\n") == ["250 2.0.0 Ok: queued as 4jX"]
    assert excepted.door.taken[0].text.endswith(b"\r\n\r\nx\r\ny\r\n")
