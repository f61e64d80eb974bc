"""Notices beside those of Postfix 3.7.11, octet for octet, and as other programs read them."""

from __future__ import annotations

import email
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from email.message import Message as Mail

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsn.recordings import NAMES, Recording, read
from mailrider.dsn.notice import compose, find_message_id, take_header
from mailrider.dsn.plan import Plan
from mailrider.dsn.report import Kind, Message, Report, Site
from mailrider.errors import ContentUnreadable
from mailrider.model.request import Recipient
from mailrider.spool.message import MemoryMessage


@pytest.fixture(autouse=True)
def universal_time() -> Iterator[None]:
    before = os.environ.get("TZ")
    os.environ["TZ"] = "UTC"
    time.tzset()
    yield
    if before is None:
        del os.environ["TZ"]
    else:
        os.environ["TZ"] = before
    time.tzset()


def write(recording: Recording) -> bytes:
    made = compose(
        recording.plan, recording.message, recording.site, queue_id=recording.queue_id, now_seconds=recording.now_seconds
    )
    return b"".join(made)


def test_all_kinds_are_recorded() -> None:
    assert len(NAMES) == 16


@pytest.mark.parametrize("name", NAMES)
def test_a_notice_is_laid_out_as_postfix_does(name: str) -> None:
    """With Postfix's own words in the place of ours, nothing differs."""
    recording = read(name)
    if recording.site.threaded:
        assert find_message_id(recording.message.original or MemoryMessage(b"")) == recording.message.message_id
    assert write(recording).decode() == recording.text.replace("\n", "\r\n")


def with_our_words(recording: Recording) -> bytes:
    site = replace(recording.site, templates=SITE.templates, lookup=SITE.lookup, seconds_of=SITE.seconds_of)
    return write(replace(recording, site=site))


def facts(mail: Mail) -> list[object]:
    """What a program that reads notices goes by."""
    status = mail.get_payload()[1]
    fields = [sorted((key, value.replace("\r", "")) for key, value in part.items()) for part in status.get_payload()]
    kinds = [(part.get_content_type(), part["Content-Description"]) for part in mail.walk()]
    return [fields, kinds, mail["From"], mail["To"], mail["Subject"], mail["Auto-Submitted"], mail.get_param("report-type")]


@pytest.mark.parametrize("name", NAMES)
def test_the_standard_library_reads_the_same_out_of_ours_and_theirs(name: str) -> None:
    recording = read(name)
    ours = email.message_from_bytes(with_our_words(recording))
    theirs = email.message_from_string(recording.text)
    assert facts(ours) == facts(theirs)


@pytest.mark.parametrize("name", NAMES)
def test_flufl_bounce_reads_the_same_out_of_ours_and_theirs(name: str) -> None:
    bounce = pytest.importorskip("flufl.bounce", reason="needs the package flufl.bounce")
    recording = read(name)
    ours = bounce.all_failures(email.message_from_bytes(with_our_words(recording)))
    assert ours == bounce.all_failures(email.message_from_string(recording.text))
    if name == "failure-two":
        assert ours[1] == {b"bob@bad.example", b"carol@bad.example"}
    if name == "delay":
        assert ours[0] == {b"bob@soft.example", b"x@closed.example"}


SITE = Site(
    "mail.here.example",
    "here.example",
    {"myhostname": "mail.here.example"}.get,
    {"delay_warning_time": 14_400.0, "maximal_queue_lifetime": 432_000.0}.__getitem__,
)
CONTENT = MemoryMessage(b"Subject: x\r\n\r\nhello\r\n")


def make(report: Report, message: Message, kind: Kind = Kind.FAILURE, site: Site = SITE) -> str:
    plan = Plan(kind, "", "alice@here.example", (report,), False, kind is not Kind.FAILURE, "")
    return b"".join(compose(plan, message, site, queue_id="Q2", now_seconds=1_795_367_319)).decode()


def test_internationalised_mail_gets_a_notice_of_its_own_kind() -> None:
    """RFC 6533."""
    report = Report(Recipient("jörg@bücher.example"), "5.6.7", "no SMTPUTF8", "failed")
    text = make(report, Message("Q1", "älice@here.example", 1.0, CONTENT, smtputf8=True))
    assert "Content-Type: message/global-delivery-status\r\nContent-Transfer-Encoding: 8bit\r\n" in text
    assert "Content-Type: message/global\r\n" in text
    assert "Final-Recipient: utf-8; jörg@bücher.example\r\nOriginal-Recipient: utf-8;jörg@bücher.example\r\n" in text
    assert "X-Postfix-Sender: utf-8; älice@here.example" in text
    assert "<jörg@bücher.example>: no SMTPUTF8" in text


def test_an_address_before_aliasing_is_told() -> None:
    report = Report(Recipient("new@dest.example", original="old@dest.example"), "5.1.1", "gone", "failed")
    text = make(report, Message("Q1", "a@here.example", 1.0, CONTENT))
    assert "<new@dest.example> (expanded from <old@dest.example>): gone" in text
    assert "Original-Recipient: rfc822; old@dest.example\r\n" in text


def test_a_delay_says_how_long_it_will_be_tried() -> None:
    text = make(Report(Recipient("b@dest.example"), "4.4.1", "x", "delayed"), Message("Q1", "a@x", 1.0, CONTENT), Kind.DELAY)
    assert "Will-Retry-Until: Tue,  6 Jan 1970 00:00:01 +0000 (UTC)\r\n" in text
    assert "For 4 hour(s)" in text
    assert "until it is 5 day(s) old" in text


def test_a_message_that_is_gone_is_said_to_be() -> None:
    text = make(Report(Recipient("b@dest.example"), "5.0.0", "x", "failed"), Message("Q1", "a@x", 1.0, None))
    assert "--- Undelivered message unavailable ---" in text
    assert text.endswith("--\r\n")


class Broken:
    size_octets = 100

    def chunks(self) -> Iterator[bytes]:
        yield b"Subject: x\r\n"
        raise ContentUnreadable("gone")


def test_a_message_that_breaks_off_is_returned_as_far_as_it_went() -> None:
    text = make(Report(Recipient("b@dest.example"), "5.0.0", "x", "failed"), Message("Q1", "a@x", 1.0, Broken()))
    assert "Subject: x\r\n\r\n\t--- Undelivered message unavailable ---\r\n" in text


def test_threads_are_kept_together_where_wanted() -> None:
    message = Message("Q1", "a@x", 1.0, CONTENT, message_id="<1@x>")
    report = Report(Recipient("b@dest.example"), "5.0.0", "x", "failed")
    assert "References: <1@x>\r\nIn-Reply-To: <1@x>\r\n" in make(report, message, site=replace(SITE, threaded=True))
    assert "References" not in make(report, message)


def test_the_obsolete_form_of_from() -> None:
    report = Report(Recipient("b@dest.example"), "5.0.0", "x", "failed")
    text = make(report, Message("Q1", "a@x", 1.0, CONTENT), site=replace(SITE, obsolete_sender=True))
    assert "From: MAILER-DAEMON@here.example (Mail Delivery System)\r\n" in text


@given(st.text(), st.text(max_size=200), st.text(max_size=50))
def test_nothing_that_others_said_breaks_out_of_its_line(text: str, reply: str, address: str) -> None:
    report = Report(Recipient(address or "x", orcpt=address), "5.0.0", text, "failed", "mx.example", reply)
    made = make(report, Message("Q1", address, 1.0, CONTENT, envid=reply))
    mail = email.message_from_bytes(made.encode("utf-8", "backslashreplace"))
    status = mail.get_payload()[1]
    known = {"final-recipient", "original-recipient", "action", "status", "remote-mta", "diagnostic-code"}
    assert len(status.get_payload()) == 2
    assert {key.lower() for key in status.get_payload()[1]} <= known
    assert len(mail.get_payload()) == 3


@given(st.binary(max_size=300))
def test_a_header_ends_where_it_ends(octets: bytes) -> None:
    taken = take_header(iter([octets]))
    assert octets.startswith(taken)
    assert b"\r\n\r\n" not in taken


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("Subject: x\r\nMessage-ID: <1@x>\r\n", "<1@x>"),
        ("message-id:<1@x>\r\nSubject: x\r\n", "<1@x>"),
        ("Message-Id:\r\n <1@x>\r\n", "<1@x>"),
        ("Message-Id: <1@x> \r\nMessage-Id: <2@x>\r\n", "<1@x>"),
        ("Message-Id: 1@x\r\n", ""),
        ("Message-Id: <1@x> and more\r\n", ""),
        ("Message-Id: <1@x>\r\n and more\r\n", ""),
        ("Message-Id: <1 2@x>\r\n", ""),
        ("X-Message-Id: <1@x>\r\n", ""),
        ("", ""),
    ],
)
def test_the_message_id_is_found(header: str, expected: str) -> None:
    assert find_message_id(MemoryMessage(f"{header}\r\nMessage-Id: <no@x>\r\n".encode())) == expected


def test_a_message_that_cannot_be_read_has_no_message_id() -> None:
    class Broken:
        size_octets = 10

        def chunks(self) -> Iterator[bytes]:
            raise ContentUnreadable("gone")

    assert find_message_id(Broken()) == ""
