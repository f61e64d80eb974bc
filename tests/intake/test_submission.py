"""Headers of messages that programs of this host hand in."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrider.content.canonical import canonicalize
from mailrider.content.whole_address import Completion
from mailrider.errors import WrongUsage
from mailrider.intake.heading import HEADER_LIMIT_OCTETS
from mailrider.intake.submission import Submitter, complete_submission

from .scene import DATE

SUBMITTER = Submitter("node.example", "Mailrider", Completion("origin.example"))
TOP = f"Received: by node.example (Mailrider, from userid {os.getuid()})\r\n\tid 4jX; {DATE}\r\n".encode()
ADDED = f"Message-Id: <4jX@node.example>\r\nDate: {DATE}\r\nFrom: joe@b.example\r\n".encode()


def complete(*chunks: bytes) -> bytes:
    return b"".join(complete_submission(chunks, SUBMITTER, "4jX", "joe@b.example", DATE))


def test_what_is_missing_is_added() -> None:
    assert complete(b"Subject: x\r\n\r\nbody\r\n") == TOP + b"Subject: x\r\n" + ADDED + b"\r\nbody\r\n"
    assert complete() == TOP + ADDED + b"\r\n"
    assert complete(b"no header\r\n") == TOP + ADDED + b"\r\nno header\r\n"


def test_what_is_there_stays() -> None:
    text = b"From: Joe <a@b>\r\nMessage-ID: <1>\r\nDate: x\r\n\r\nbody\r\n"
    assert complete(text) == TOP + text


@given(st.binary(max_size=300).map(canonicalize), st.integers(0, 300))
def test_pieces_change_nothing(text: bytes, place: int) -> None:
    assert complete(text[:place], text[place:]) == complete(text)


def test_a_header_without_end_is_refused_and_a_body_without_beginning_is_not() -> None:
    fields = [b"A: " + b"b" * 900 + b"\r\n"] * (HEADER_LIMIT_OCTETS // 900)
    with pytest.raises(WrongUsage, match="header of the message is larger than 1048576 octets"):
        complete(*fields, b"Bcc: secret\r\n\r\nbody\r\n")
    text = [b"Subject: x\r\n", *([b"b" * 900 + b"\r\n"] * (HEADER_LIMIT_OCTETS // 900)), b"Bcc: text\r\n"]
    assert complete(*text).endswith(b"\r\nBcc: text\r\n")
