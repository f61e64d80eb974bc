"""The notice with a transcript: its lines, and that nothing gets out of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrider.dsn.report import Site
from mailrider.dsn.transcript import complete, qualify_recipient, write_client_transcript, write_transcript
from mailrider.dsn.wrap import format_date
from mailrider.model.request import Transport

SITE = Site("mail.here.example", "here.example", lambda _: None, lambda _: 0.0)
RELAY = "mx.far.example[192.0.2.1]:25"
SAID = ("In:  220 mx.far.example", "Out: EHLO mail.here.example", "In:  502 " + "word " * 20)


def compose(relay: str, said: Sequence[str]) -> bytes:
    site = qualify_recipient(SITE)
    return complete(write_transcript(Transport.SMTP, relay, said, site, queue_id="Q2", now_seconds=0.0), site, "Q2")


def write(site: Site = SITE, transport: Transport = Transport.SMTP) -> list[str]:
    return list(write_transcript(transport, RELAY, SAID, site, queue_id="Q2", now_seconds=0.0))


def test_the_lines_are_those_of_smtp() -> None:
    date = format_date(0.0)
    assert write() == [
        "Received: by mail.here.example (Postfix)",
        f"\tid Q2; {date}",
        f"Date: {date}",
        "From: Mail Delivery System <MAILER-DAEMON@mail.here.example>",
        "To: Postmaster <postmaster>",
        "Subject: Postfix SMTP client: errors from mx.far.example[192.0.2.1]:25",
        "",
        "Unexpected response from mx.far.example[192.0.2.1]:25.",
        "",
        "Transcript of session follows.",
        "",
        " In:  220 mx.far.example",
        " Out: EHLO mail.here.example",
        " In:  502 word word word word word word word word word word word word word word",
        "     word word word word word word",
        "",
        "For other details, see the local mail logfile",
    ]


@pytest.mark.parameter("header_from_format", "mail_name", "error_notice_recipient")
def test_names_are_written_as_the_operator_likes_it() -> None:
    lines = write(replace(SITE, obsolete_sender=True, mail_name="Post Office", error_recipient="errors"), Transport.LMTP)
    assert lines[0] == "Received: by mail.here.example (Post Office)"
    assert lines[3:6] == [
        "From: MAILER-DAEMON@mail.here.example (Mail Delivery System)",
        "To: errors (Postmaster)",
        f"Subject: Post Office LMTP client: errors from {RELAY}",
    ]


@pytest.mark.parametrize(("reason", "lines"), [("", ["", ""]), ("timeout", ["", "Session aborted, reason: timeout", ""])])
def test_the_lines_about_a_client_are_those_of_smtpd(reason: str, lines: list[str]) -> None:
    client = "far.example[192.0.2.1]"
    written = list(write_client_transcript(client, reason, ("In:  FOO",), SITE, queue_id="Q2", now_seconds=0.0))
    assert written[4:] == [
        "To: Postmaster <postmaster>",
        f"Subject: Postfix SMTP server: errors from {client}",
        "",
        "Transcript of session follows.",
        "",
        " In:  FOO",
        *lines,
        "For other details, see the local mail logfile",
    ]


def test_a_whole_message_has_a_whole_header() -> None:
    text = compose(RELAY, SAID)
    header, _, body = text.partition(b"\r\n\r\n")
    assert b"\r\nTo: Postmaster <postmaster@here.example>\r\n" in header
    assert header.endswith(b"\r\nMessage-Id: <Q2@mail.here.example>")
    assert body.startswith(b"Unexpected response from ")
    assert body.endswith(b"\r\nFor other details, see the local mail logfile\r\n")


@given(st.text(max_size=300), st.lists(st.text(max_size=300), max_size=5))
def test_nothing_gets_out_of_its_line(relay: str, said: list[str]) -> None:
    text = compose(relay, said)
    text.decode("utf-8")
    assert text.endswith(b"\r\n")
    lines = text.removesuffix(b"\r\n").split(b"\r\n")
    assert not any(b"\r" in line or b"\n" in line for line in lines)
    shown = lines[lines.index(b"Transcript of session follows.") + 2 : -2]
    assert all(line.startswith(b" ") for line in shown)
