"""Headers on their way in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrider.content.canonical import canonicalize
from mailrider.content.whole_address import Completion
from mailrider.intake.heading import REQUIRETLS_FIELD, Trace, find_end, make_heading
from mailrider.model.request import Envelope, Recipient

from .scene import DATE

TRACE = Trace("me.example", "localhost [127.0.0.1]", "node.example", "Mailrider", "ESMTP", "4jX", DATE)
ENVELOPE = Envelope("joe@b.example", (Recipient("c@d.example"), Recipient("e@f.example")))
RECEIVED = f"""Received: from me.example (localhost [127.0.0.1])\r
\tby node.example (Mailrider) with ESMTP id 4jX; {DATE}\r
""".encode()


def head(header: bytes, *, completes: bool = True) -> bytes:
    octets = make_heading(header, TRACE, ENVELOPE, completes=completes, completion=Completion("origin.example")).octets
    assert octets.startswith(RECEIVED)
    return octets[len(RECEIVED) :]


def test_what_is_missing_is_added() -> None:
    added = f"Message-Id: <4jX@node.example>\r\nDate: {DATE}\r\nFrom: joe@b.example\r\n".encode()
    assert head(b"Subject: x\r\n") == b"Subject: x\r\n" + added
    assert head(b"") == added
    assert head(b"Subject: x\r\n", completes=False) == b"Subject: x\r\n"


def test_addresses_are_completed_for_those_whose_mail_begins_here() -> None:
    whole = b"From: joe\r\nDate: x\r\nMessage-Id: y\r\n"
    assert head(whole).startswith(b"From: joe@origin.example\r\n")
    assert head(whole, completes=False) == whole


@pytest.mark.parametrize("completes", [True, False])
def test_private_fields_are_dropped_for_everybody(completes: bool) -> None:
    assert b"secret" not in head(b"Bcc: secret@x\r\nReturn-Path: <secret@x>\r\nSubject: y\r\n", completes=completes)


def test_what_is_no_field_begins_the_body() -> None:
    assert head(b"Subject: x\r\nno field\r\nTo: y\r\n", completes=False) == b"Subject: x\r\n\r\nno field\r\nTo: y\r\n"
    assert head(b" leading blank\r\n", completes=False) == b"\r\n leading blank\r\n"


def test_a_mailbox_line_is_made_a_field() -> None:
    assert head(b">From me now\r\nTo: x\r\n", completes=False) == b"X-Mailbox-Line: >From me now\r\nTo: x\r\n"


def test_facts_of_a_header() -> None:
    header = b"Received: 1\r\nRECEIVED : 2\r\nContent-Transfer-Encoding: 8bit\r\nMessage-ID:\r\n <x@y>\r\n"
    heading = make_heading(header, TRACE, ENVELOPE, completes=True, completion=Completion("o"))
    assert (heading.hops, heading.message_id, heading.labelled_8bit) == (2, "<x@y>", True)
    assert heading.octets.count(b"\nMessage-I") == 1


def test_comments_and_greetings_cannot_break_out() -> None:
    trace = TRACE._replace(login="joe)\\(\r\nX: y", helo="a\u2028b")
    octets = make_heading(b"", trace, ENVELOPE, completes=False, completion=Completion("o")).octets
    assert b"\t(Authenticated sender: joe?????X: y)\r\n" in octets
    assert b"from a?b (" in octets


@given(st.binary(max_size=200).map(canonicalize), st.integers(0, 200))
def test_the_end_is_found_in_pieces(text: bytes, place: int) -> None:
    whole = find_end(text)
    place = min(place, len(text))
    first = find_end(text[:place])
    assert first in (whole, -1)
    if first < 0:
        assert find_end(text, place) == whole


@given(st.binary(max_size=300).map(canonicalize), st.booleans())
def test_any_header_gives_whole_lines(header: bytes, completes: bool) -> None:
    end = find_end(header)
    octets = head(header[: end if end >= 0 else len(header)], completes=completes)
    assert octets == b"" or octets.endswith(b"\r\n")


@pytest.mark.parameter("requiretls_esmtp_header")
@pytest.mark.parametrize("completes", [True, False])
def test_a_wish_for_requiretls_is_told_in_a_field(completes: bool) -> None:
    def make(header: bytes, *, wish: bool, passes: bool = True) -> tuple[int, bool]:
        envelope = ENVELOPE._replace(requiretls=wish)
        made = make_heading(header, TRACE, envelope, completes=completes, completion=Completion("o"), passes_requiretls=passes)
        return made.octets.count(REQUIRETLS_FIELD), made.asks_requiretls

    assert make(b"Subject: x\r\n", wish=True) == (1, False)
    assert make(b"Subject: x\r\n", wish=False) == (0, False)
    assert make(b"Subject: x\r\n", wish=True, passes=False) == (0, False)
    assert make(REQUIRETLS_FIELD, wish=True) == (1, True)
    assert make(REQUIRETLS_FIELD, wish=False) == (1, True)
    assert make(REQUIRETLS_FIELD, wish=False, passes=False) == (1, False)
    assert make(b"require-tls-esmtp :\tYES \r\n", wish=False)[1]
    assert not make(b"Require-TLS-ESMTP: no\r\n", wish=False)[1]
    assert not make(b"Subject: x\r\n Require-TLS-ESMTP: yes\r\n", wish=False)[1]
