"""Notices about clients, from the socket to the queue; beside those of a real smtpd(8) where there is one."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable, Sequence

import pytest
from tests.postfix.instance import Postfix, why_not

from mailrider.spool.memory import MemorySpool

from .running import PATIENCE_SECONDS, Running, WallClock, make_settings, running

DIALOGUES: dict[str, tuple[str, ...]] = {
    "protocol": ("HELO client.far.test", "FOO bar", "RCPT TO:<a@b.test>", "QUIT"),
    "policy": ("HELO client.far.test", "MAIL FROM:<a@far.test>", "RCPT TO:<b@else.test>", "QUIT"),
    "limit": ("HELO client.far.test", "FOO", "FOO", "FOO"),
    "lost": ("HELO client.far.test", "BAR"),
}
OURS = ("myhostname=client.origin.test", "mydomain=origin.test", "myorigin=origin.test", "mynetworks=192.0.2.0/24",
        "smtpd_hard_error_limit=3", "smtpd_peername_lookup=no", "mail_name=Postfix", "error_notice_recipient=errors",
        "smtpd_banner=$myhostname ESMTP $mail_name")  # fmt: skip


def talk(port: int, lines: Sequence[str]) -> None:
    """Say the lines one by one; the connection ends with the last reply."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS) as connection:
        file = connection.makefile("rb")
        file.readline()
        for line in lines:
            connection.sendall(line.encode() + b"\r\n")
            file.readline()
        if lines[-1] not in ("QUIT", "BAR"):
            file.read()


def wait_for(found: Callable[[], list[str]]) -> str:
    end = time.monotonic() + PATIENCE_SECONDS
    while not (texts := found()):
        assert time.monotonic() < end
        time.sleep(0.01)
    (text,) = texts
    return text


def notices_of(node: Running) -> list[str]:
    return [node.text(message.queue_id).decode().replace("\r\n", "\n") for message in node.messages()]


def normalise(notice: str) -> str:
    notice = re.sub(r"(?m)^\tid \w+; .*$", "\tid ID; DATE", notice)
    notice = re.sub(r"(?m)^Date: .*$", "Date: DATE", notice)
    return re.sub(r"(?m)^Message-Id: .*$", "Message-Id: ID", notice)


@pytest.mark.parametrize("name", DIALOGUES)
@pytest.mark.parameter("notify_classes", "error_notice_recipient", "double_bounce_sender")
def test_the_postmaster_hears_of_clients(name: str) -> None:
    with running("notify_classes=protocol, policy", *OURS) as node:
        talk(node.port, DIALOGUES[name])
        notice = wait_for(lambda: notices_of(node))
        (message,) = node.messages()
    assert message.envelope.sender == "double-bounce@client.origin.test"
    assert [it.address for it in message.envelope.recipients] == ["errors@origin.test"]
    assert "Subject: Postfix SMTP server: errors from unknown[127.0.0.1]\n" in notice
    assert "\n In:  HELO client.far.test\n" in notice
    reason = {"limit": "too many errors", "lost": "lost connection"}.get(name)
    assert ("Session aborted, reason:" in notice) is (reason is not None)
    assert f"reason: {reason}\n" in notice or reason is None


def test_nothing_is_sent_where_nobody_wants_it() -> None:
    with running("notify_classes=2bounce, delay, data", *OURS) as node:
        talk(node.port, DIALOGUES["protocol"])
        talk(node.port, DIALOGUES["policy"])
    assert not node.intake._notices.are_wanted


@pytest.mark.parameter("bounce_notice_recipient")
def test_a_message_that_is_too_large() -> None:
    settings = ("notify_classes=bounce", "message_size_limit=20", "bounce_notice_recipient=bounces", *OURS[:3])
    with running(*settings) as node:
        text = "DATA", "Subject: x\r\n\r\nhello, hello, hello\r\n."
        talk(node.port, ("HELO x", "MAIL FROM:<a@b.test>", "RCPT TO:<c@d.test>", *text, "QUIT"))
        notice = wait_for(lambda: notices_of(node))
        (message,) = node.messages()
    assert [it.address for it in message.envelope.recipients] == ["bounces@origin.test"]
    assert "\n Out: 552 5.3.4 Error: message file too big\n" in notice
    assert "hello" not in notice


def test_a_queue_that_does_not_take_the_notice() -> None:
    spool = MemorySpool(WallClock(), limit_octets=5)
    with running("notify_classes=protocol", *OURS, spool=spool) as node:
        talk(node.port, DIALOGUES["protocol"])
    assert [line for line in node.told if line.startswith("warning: postmaster notify: ")]


def test_a_reload_changes_what_is_wanted() -> None:
    with running("notify_classes=", *OURS) as node:
        assert not node.intake._notices.are_wanted
        node.intake.reload(make_settings("notify_classes=protocol", *OURS))
        talk(node.port, DIALOGUES["protocol"])
        assert "FOO bar" in wait_for(lambda: notices_of(node))


@pytest.mark.skipif(bool(why_not()), reason=why_not() or "there is one")
def test_the_notices_are_those_of_smtpd() -> None:
    theirs = {name.partition("=")[0]: name.partition("=")[2] for name in OURS}
    settings = {
        **theirs,
        "notify_classes": "protocol, policy",
        "smtpd_relay_restrictions": "permit_mynetworks, reject_unauth_destination",
        "smtpd_recipient_restrictions": "permit_mynetworks, reject_unauth_destination",
    }
    with Postfix({}, [], settings) as postfix:
        for name, lines in DIALOGUES.items():
            before = len(postfix.notices())
            talk(postfix.port, lines)
            postfix.wait_for(lambda count=before: len(postfix.notices()) > count, f"the notice of {name}", 90)  # type: ignore[misc]
        written = [normalise(notice).rstrip("\n") for notice in postfix.notices()]
    for lines in DIALOGUES.values():
        with running("notify_classes=protocol, policy", *OURS) as node:
            talk(node.port, lines)
            notice = normalise(wait_for(lambda here=node: notices_of(here))).rstrip("\n")  # type: ignore[misc]
        assert notice in written
        written.remove(notice)
    assert written == []
